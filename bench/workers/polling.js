// The usual way to wait for a VM: create it, wait for the operation, and poll the health path.

export default {
  async fetch(request, env) {
    const zone = `${env.COMPUTE_ENDPOINT}/projects/${env.PROJECT}/zones/us-central1-a`;
    const call = async (method, path, body) => {
      const headers = { authorization: `Bearer ${env.TOKEN}`, "content-type": "application/json" };
      const response = await fetch(`${zone}/${path}`, { method, headers, body: body && JSON.stringify(body) });
      return { status: response.status, ...(await response.json()) };
    };
    let instance = await call("GET", `instances/${env.NAME}`);
    if (instance.status === 404) {
      const operation = await call("POST", "instances", resource(env.NAME));
      await call("POST", `operations/${operation.name}/wait`);
      instance = await call("GET", `instances/${env.NAME}`);
    }
    const origin = `http://${instance.networkInterfaces[0].accessConfigs[0].natIP}:${env.PORT}`;
    while (!(await isHealthy(origin))) await new Promise((resolve) => setTimeout(resolve, env.POLL_MS));
    const { pathname, search } = new URL(request.url);
    return fetch(origin + pathname + search, request);
  },
};

async function isHealthy(origin) {
  try {
    return (await fetch(`${origin}/healthz`)).ok;
  } catch {
    return false;
  }
}

function resource(name) {
  return {
    name,
    machineType: "zones/us-central1-a/machineTypes/e2-small",
    disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: "projects/debian-cloud/global/images/family/debian-12" } }],
    networkInterfaces: [{ network: "global/networks/default", accessConfigs: [{ type: "ONE_TO_ONE_NAT" }] }],
  };
}
