"""The Kubernetes objects: valid, in agreement with each other, and a rollout by their rules that loses nothing."""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import httpx
import kubernetes_validate
import pytest
import yaml

from chat.command_line import SETTINGS_HELP
from tests.support.live_client import LiveClient
from tests.support.manifests import kustomized
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT, ChatServer

FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.31", "1.37")
READERS = 12
# How long nodes and the ingress take to hear that a pod is going.
HEARSAY = 1.0


def base(name: str) -> dict[str, object]:
    read = yaml.safe_load((FOLDER / "base" / f"{name}.yaml").read_text())
    assert isinstance(read, dict)
    return read


def at(tree: object, *path: str | int) -> object:
    """Return the value at a path of an object."""
    for step in path:
        if isinstance(tree, list):
            assert isinstance(step, int), path
            tree = tree[step]
        else:
            assert isinstance(tree, dict), path
            tree = tree[step]
    return tree


def number(tree: object, *path: str | int) -> int:
    found = at(tree, *path)
    assert isinstance(found, int)
    return found


DEPLOYMENT = base("deployment")
POD = at(DEPLOYMENT, "spec", "template", "spec")
CHAT = at(POD, "containers", 0)


@pytest.fixture(scope="module", params=["production", "trial"])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Everything that an overlay makes."""
    copy = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(FOLDER, copy)
    if request.param == "trial":
        subprocess.run([copy / "overlays" / "trial" / "make-secrets.sh"], check=True)
    return kustomized(copy / "overlays" / request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_every_object(objects: list[dict[str, object]], version: str) -> None:
    assert len(objects) > 8
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


def test_every_pod_of_the_chat_is_confined_and_finds_its_settings(objects: list[dict[str, object]]) -> None:
    (settings,) = (at(each, "data") for each in objects if each["kind"] == "ConfigMap")
    assert isinstance(settings, dict)
    assert set(settings) <= set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", SETTINGS_HELP))
    pods = [at(each, "spec", "template", "spec") for each in objects if each["kind"] in ("Deployment", "Job")]
    chats = [pod for pod in pods if "simplechat" in str(at(pod, "containers", 0, "image"))]
    assert len(chats) == 2
    for pod in chats:
        assert at(pod, "securityContext", "runAsNonRoot") is True
        assert at(pod, "automountServiceAccountToken") is False
        confined = {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert at(pod, "containers", 0, "securityContext") == confined


def test_the_times_of_a_stop_agree() -> None:
    pause = number(CHAT, "lifecycle", "preStop", "sleep", "seconds")
    (grace,) = re.findall(r"GRACE=(\d+)", (FOLDER / "base" / "kustomization.yaml").read_text())
    assert number(POD, "terminationGracePeriodSeconds") == pause + int(grace) + 5
    readiness = at(CHAT, "readinessProbe")
    assert pause > HEARSAY
    assert number(readiness, "timeoutSeconds") > 2, "/readyz gives the database two seconds"
    assert number(base("scaling"), "spec", "minReplicas") == number(DEPLOYMENT, "spec", "replicas")


class Service:
    """A Service as in Kubernetes: each new connection goes to the next pod that is ready."""

    def __init__(self) -> None:
        self.ready: list[ChatServer] = []
        self._turn = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        listener = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listener.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        pod = self.ready[self._turn % len(self.ready)]
        pod_reader, pod_writer = await asyncio.open_connection("127.0.0.1", pod.port)
        await asyncio.gather(_pump(reader, pod_writer), _pump(pod_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Kubelet:
    """Starts and stops pods by the rules of the Deployment."""

    def __init__(self, service: Service, start: Callable[[], ChatServer]) -> None:
        self._service, self._start = service, start

    async def add(self) -> ChatServer:
        """Start a pod; it serves once its probes have passed."""
        pod = await asyncio.to_thread(self._start)
        await asyncio.to_thread(self._until_passed, pod, "startupProbe")
        await asyncio.to_thread(self._until_passed, pod, "readinessProbe")
        self._service.ready.append(pod)
        return pod

    async def remove(self, pod: ChatServer) -> None:
        """End a pod: connections still reach it for a while, then it gets its signal, then it must be gone in time."""
        began = time.monotonic()
        await asyncio.sleep(HEARSAY)
        self._service.ready.remove(pod)
        await asyncio.sleep(number(CHAT, "lifecycle", "preStop", "sleep", "seconds") - HEARSAY)
        assert await asyncio.to_thread(pod.stop) == 0
        assert time.monotonic() - began < number(POD, "terminationGracePeriodSeconds"), "it was not killed"

    @staticmethod
    def _until_passed(pod: ChatServer, name: str) -> None:
        probe = at(CHAT, name)
        path, timeout = str(at(probe, "httpGet", "path")), number(probe, "timeoutSeconds")
        for _ in range(number(probe, "failureThreshold") * 10):
            try:
                # As the kubelet asks: at the pod's own address, by no name of the chat's.
                answer = httpx.get(f"{pod.url}{path}", timeout=timeout, headers={"Host": "10.1.2.3:8000"})
                if 200 <= answer.status_code < 400:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"the {name} never passed:\n{pod.log}")


class Author:
    """Posts over a new connection each time, and keeps the messages that were refused."""

    def __init__(self, person: Person, url: str) -> None:
        self._person = person
        client = person.client
        self._client = httpx.Client(
            base_url=url,
            cookies=client.cookies,
            headers={"Origin": url, "Sec-Fetch-Site": "same-origin", "Connection": "close"},
            timeout=30,
        )
        self.posted: list[str] = []
        self.failed: list[str] = []
        self.is_done = False

    def write(self) -> None:
        with self._client:
            while not self.is_done:
                body = f"{self._person.name} {len(self.posted) + len(self.failed)}"
                try:
                    answer = self._client.post("/rooms/1/messages", data={"body": body})
                    (self.posted if answer.status_code in (200, 303) else self.failed).append(body)
                except httpx.HTTPError as error:
                    self.failed.append(f"{body}: {error!r}")
                time.sleep(0.05)


@pytest.mark.anyio
async def test_a_rollout_fails_no_request_and_loses_no_message(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    strategy = at(DEPLOYMENT, "spec", "strategy", "rollingUpdate")
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}, "a new pod is ready before an old one goes"
    service = Service()
    async with service.running(), AsyncExitStack() as stack:
        settings = {"PUBLIC_URL": service.url, "FORWARDED_ALLOW_IPS": "*", "GRACE": "20"}
        kubelet = Kubelet(service, lambda: start_server(database_url, redis_server.url, **settings))
        pods = await asyncio.gather(*(kubelet.add() for _ in range(number(DEPLOYMENT, "spec", "replicas"))))
        people = [await asyncio.to_thread(joined, pod, service.url, turn) for turn, pod in enumerate(pods)]
        readers = [
            await stack.enter_async_context(LiveClient(people[turn % 3], 1, urls=[service.url]))
            for turn in range(READERS)
        ]
        authors = [Author(person, service.url) for person in people]
        writing = [asyncio.create_task(asyncio.to_thread(author.write)) for author in authors]
        going = []
        for pod in pods:
            await kubelet.add()
            going.append(asyncio.create_task(kubelet.remove(pod)))
        await asyncio.gather(*going)
        for author in authors:
            author.is_done = True
        await asyncio.gather(*writing)
        posted = {body for author in authors for body in author.posted}
        assert [failure for author in authors for failure in author.failed] == []
        assert len(posted) > 30
        for reader in readers:
            await reader.until(partial(has_all, reader, posted))
            assert not reader.doubled
        assert any(reader.connections > 1 for reader in readers), "some page had to move"


def joined(pod: ChatServer, url: str, turn: int) -> Person:
    """Return a member who uses the chat at the address of the service."""
    pod.url = url
    return first_run(pod) if turn == 0 else sign_up(pod, f"Person {turn}")


def has_all(reader: LiveClient, posted: set[str]) -> bool:
    return set(reader.view.values()) >= posted
