"""The Compute Engine emulator, in its own process."""

import json
import subprocess
import unittest
import urllib.request
from pathlib import Path

from google.cloud import compute_v1
from google.oauth2 import service_account

ROOT = Path(__file__).resolve().parent.parent.parent

ZONE = "us-central1-a"

# Every instance has its own address.
INSTANCE_PORT = 18080

QUICK = {"provision": 50, "stage": 50, "boot": 50, "stop": 50, "suspend": 50, "resume": 50}


class Emulator:
    """An empty cloud, which lasts until `stop`."""

    def __init__(self):
        phases = [flag for phase, ms in QUICK.items() for flag in (f"--{phase}-ms", str(ms))]
        program = [ROOT / "target" / "debug" / "gce-emulator", "--quiet", "--port", "0"]
        self._process = subprocess.Popen(
            [*program, "--instance-port", str(INSTANCE_PORT), *phases], stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"gce-emulator ended at once, with {self._process.wait()}")
        self.url = line.split()[-1]
        self.key = self._control("GET", "service-account.json")
        self.project = self.key["project_id"]

    def stop(self):
        self._process.terminate()
        self._process.communicate(timeout=30)

    def reset(self):
        """Removes everything in the cloud."""
        self._control("POST", "reset")

    def calls(self):
        """Returns the number of calls of each method so far."""
        return self._control("GET", "stats")["calls"]

    def fault(self, **fault):
        """Injects a fault."""
        self._control("POST", "faults", fault)

    def credentials(self, **arguments):
        """Returns credentials for the key file."""
        return service_account.Credentials.from_service_account_info(self.key, **arguments)

    def client(self, kind=compute_v1.InstancesClient, credentials=None):
        """Returns one of Google's clients, connected to this cloud."""
        return kind(credentials=credentials or self.credentials(), client_options={"api_endpoint": self.url})

    def _control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/emulator/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


class EmulatorTest(unittest.TestCase):
    """A test with an empty cloud. The tests of a class share a key, which takes time to generate."""

    @classmethod
    def setUpClass(cls):
        cls.cloud = Emulator()
        cls.addClassCleanup(cls.cloud.stop)

    def setUp(self):
        self.cloud.reset()


def instance(name, **fields):
    """Returns the minimal instance that Compute Engine accepts."""
    image = "projects/debian-cloud/global/images/family/debian-12"
    parameters = compute_v1.AttachedDiskInitializeParams(source_image=image)
    disk = compute_v1.AttachedDisk(boot=True, auto_delete=True, initialize_params=parameters)
    nat = compute_v1.AccessConfig(name="External NAT", type_="ONE_TO_ONE_NAT")
    interface = compute_v1.NetworkInterface(network="global/networks/default", access_configs=[nat])
    return compute_v1.Instance(
        name=name,
        machine_type=f"zones/{ZONE}/machineTypes/n1-standard-1",
        disks=[disk],
        network_interfaces=[interface],
        **fields,
    )
