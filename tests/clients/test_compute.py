"""Google's Compute Engine client manages instances of the emulator."""

import unittest
import uuid

from google.api_core import exceptions
from google.api_core.future import polling
from google.auth.transport.requests import AuthorizedSession
from google.cloud import compute_v1

from emulator import ZONE, EmulatorTest, instance


class Instances(EmulatorTest):
    """Calls for instances in one zone, which wait with Google's own code."""

    def setUp(self):
        super().setUp()
        self.client = self.cloud.client()
        self.operations = self.cloud.client(compute_v1.ZoneOperationsClient)
        # Google's client polls operations with a second one, which ignores `api_endpoint`.
        self.client.transport._extended_operations_services["zone_operations"] = self.operations
        self.place = {"project": self.cloud.project, "zone": ZONE}

    def done(self, operation):
        """Waits for an operation; raises its error."""
        # The default polls at most once a second.
        often = polling.DEFAULT_POLLING.with_delay(initial=0.02, maximum=0.1)
        return operation.result(timeout=60, polling=often)

    def insert(self, name="vm", **fields):
        operation = self.client.insert(instance_resource=instance(name, **fields), **self.place)
        self.done(operation)
        return operation

    def get(self, name="vm"):
        return self.client.get(instance=name, **self.place)


class Life(Instances):
    """The life of an instance, from insert to delete."""

    def test_it_is_created_stopped_started_suspended_resumed_and_deleted(self):
        operation = self.insert()
        self.assertEqual((operation.operation_type, operation.progress), ("insert", 100))
        created = self.get()
        self.assertEqual(created.status, "RUNNING")
        self.assertRegex(created.network_interfaces[0].access_configs[0].nat_i_p, r"^\d+\.\d+\.\d+\.\d+$")

        for method, status in [
            (self.client.stop, "TERMINATED"),
            (self.client.start, "RUNNING"),
            (self.client.suspend, "SUSPENDED"),
            (self.client.resume, "RUNNING"),
            (self.client.reset, "RUNNING"),
        ]:
            with self.subTest(status=status, method=method.__name__):
                self.done(method(instance="vm", **self.place))
                self.assertEqual(self.get().status, status)

        self.done(self.client.delete(instance="vm", **self.place))
        with self.assertRaises(exceptions.NotFound):
            self.get()

    def test_an_operation_is_waited_for_in_the_zone(self):
        started = self.client.insert_unary(instance_resource=instance("vm"), **self.place)
        ended = self.operations.wait(operation=started.name, **self.place)
        self.assertEqual(ended.status, compute_v1.Operation.Status.DONE)
        self.assertEqual(ended.name, self.operations.get(operation=started.name, **self.place).name)
        self.assertEqual([each.name for each in self.operations.list(**self.place)], [started.name])

    def test_the_same_request_id_changes_nothing_more(self):
        request = {"instance_resource": instance("vm"), "request_id": str(uuid.uuid4()), **self.place}
        first, second = (self.client.insert(request) for _ in range(2))
        self.assertEqual(first.name, second.name)
        self.done(second)

    def test_an_operation_that_fails_raises_its_error(self):
        self.cloud.fault(method="instances.insert", operation_error="ZONE_RESOURCE_POOL_EXHAUSTED")
        with self.assertRaises(exceptions.ServiceUnavailable):
            self.insert()
        with self.assertRaises(exceptions.NotFound):
            self.get()


class Lists(Instances):
    """Lists of several instances."""

    def setUp(self):
        super().setUp()
        for name in ["a", "b", "c", "d", "e"]:
            self.insert(name, labels={"team": "red" if name in "ab" else "blue"})
        self.done(self.client.stop(instance="e", **self.place))

    def names(self, **request):
        return [each.name for each in self.client.list({**request, **self.place})]

    def test_are_filtered(self):
        self.assertEqual(self.names(filter="status = TERMINATED"), ["e"])
        self.assertEqual(self.names(filter="(labels.team = blue) AND (status != TERMINATED)"), ["c", "d"])
        self.assertEqual(self.names(filter='name = "nobody"'), [])

    def test_come_in_pages(self):
        pages = self.client.list({"max_results": 2, **self.place}).pages
        names = [[each.name for each in page.items] for page in pages]
        self.assertEqual(names, [["a", "b"], ["c", "d"], ["e"]])
        self.assertEqual(self.names(max_results=2, filter="status = RUNNING"), ["a", "b", "c", "d"])


class Settings(Instances):
    """Changes of an existing instance."""

    def setUp(self):
        super().setUp()
        self.insert(labels={"team": "red"})

    def test_metadata(self):
        items = [compute_v1.Items(key="color", value="green")]
        before = self.get().metadata
        changed = compute_v1.Metadata(fingerprint=before.fingerprint, items=items)
        self.done(self.client.set_metadata(instance="vm", metadata_resource=changed, **self.place))
        after = self.get().metadata
        self.assertEqual([(item.key, item.value) for item in after.items], [("color", "green")])
        self.assertNotEqual(after.fingerprint, before.fingerprint)

        with self.assertRaises(exceptions.PreconditionFailed):
            self.client.set_metadata(instance="vm", metadata_resource=changed, **self.place)

    def test_labels(self):
        changed = compute_v1.InstancesSetLabelsRequest(
            label_fingerprint=self.get().label_fingerprint, labels={"team": "blue", "tier": "web"}
        )
        self.done(
            self.client.set_labels(instance="vm", instances_set_labels_request_resource=changed, **self.place)
        )
        self.assertEqual(dict(self.get().labels), {"team": "blue", "tier": "web"})

    def test_tags(self):
        changed = compute_v1.Tags(fingerprint=self.get().tags.fingerprint, items=["web", "http-server"])
        self.done(self.client.set_tags(instance="vm", tags_resource=changed, **self.place))
        self.assertEqual(sorted(self.get().tags.items), ["http-server", "web"])

    def test_the_machine_type_of_a_stopped_instance(self):
        small = f"zones/{ZONE}/machineTypes/e2-small"
        changed = compute_v1.InstancesSetMachineTypeRequest(machine_type=small)
        request = {"instance": "vm", "instances_set_machine_type_request_resource": changed, **self.place}
        with self.assertRaises(exceptions.BadRequest):
            self.done(self.client.set_machine_type(**request))

        self.done(self.client.stop(instance="vm", **self.place))
        self.done(self.client.set_machine_type(**request))
        self.assertRegex(self.get().machine_type, "/machineTypes/e2-small$")


class Errors(Instances):
    """Refusals as Google's own exceptions."""

    def test_an_instance_that_does_not_exist(self):
        for method in [self.client.get, self.client.start, self.client.delete]:
            with self.subTest(method=method.__name__), self.assertRaisesRegex(exceptions.NotFound, "vm"):
                method(instance="vm", **self.place)

    def test_a_name_that_is_taken(self):
        self.insert()
        with self.assertRaisesRegex(exceptions.Conflict, "already exists") as refused:
            self.insert()
        self.assertEqual(refused.exception.errors[0]["reason"], "alreadyExists")

    def test_another_project(self):
        with self.assertRaisesRegex(exceptions.Forbidden, "compute.instances.get"):
            self.client.get(project="somebody-elses", zone=ZONE, instance="vm")

    def test_values_that_cannot_be(self):
        no_type = f"zones/{ZONE}/machineTypes/z9-huge"
        for wrong in [{"name": "No_Name"}, {"machine_type": no_type}, {"tags": {"items": ["No_Tag"]}}]:
            with self.subTest(wrong), self.assertRaises(exceptions.BadRequest):
                resource = compute_v1.Instance(instance("vm"), **wrong)
                self.client.insert(instance_resource=resource, **self.place)

    def test_a_field_that_there_is_not(self):
        """Google's client cannot send one; its transport can."""
        credentials = self.cloud.credentials(scopes=["https://www.googleapis.com/auth/compute"])
        url = f"{self.cloud.url}/compute/v1/projects/{self.cloud.project}/zones/{ZONE}/instances"
        resource = compute_v1.Instance.to_dict(instance("vm"), preserving_proto_field_name=False)
        with AuthorizedSession(credentials) as session:
            response = session.post(url, json={**resource, "machineTyp": "n1-standard-1"})
            error = exceptions.from_http_response(response)
            self.assertIsInstance(error, exceptions.BadRequest)
            self.assertIn('Unknown name "machineTyp": Cannot find field.', str(error))
            self.assertEqual(session.post(url, json=resource).status_code, 200)


class Surroundings(Instances):
    """The resources that an instance refers to."""

    def test_zones_machine_types_and_images(self):
        project = self.cloud.project
        zones = self.cloud.client(compute_v1.ZonesClient)
        self.assertEqual(zones.get(project=project, zone=ZONE).name, ZONE)
        self.assertIn("europe-west1-b", [zone.name for zone in zones.list(project=project)])
        types = self.cloud.client(compute_v1.MachineTypesClient)
        self.assertEqual(types.get(machine_type="e2-small", **self.place).guest_cpus, 2)
        images = self.cloud.client(compute_v1.ImagesClient)
        self.assertEqual(images.get_from_family(project="debian-cloud", family="debian-12").status, "READY")


if __name__ == "__main__":
    unittest.main()
