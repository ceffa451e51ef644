/** The help text. */
export const usage = `Usage:
  vmproxy init [folder]         Write a project: wrangler.toml and what belongs to it.
      --project ID              Google Cloud project of the VM (default: the service account's)
      --zone ZONE               zone of the VM (default: us-central1-a)
      --machine-type TYPE       machine type of the VM (default: e2-small)
      --startup-script FILE     script that the VM runs at each boot (default: installs nginx)
      --name NAME               name of the Worker (default: vmproxy)
      --yes                     ask nothing; use the defaults

  vmproxy check [file]          Check wrangler.json, wrangler.jsonc or wrangler.toml with the
                                Worker's own code, environment by environment.
      --env NAME                check this environment only ("" is the top level)

  vmproxy help                  Show this text.
  vmproxy --version             Show the version.

Deploy the Worker with \`npx wrangler deploy\`.`;
