"""SeaweedFS from its wheel: a real S3 server in one process, with credentials and one bucket."""

import json
import sys
from pathlib import Path

from sandbox import readiness
from sandbox.home import Home
from sandbox.service import Check, Service

BUCKET = "darkroom"
_SERVERS = ("s3", "master", "volume", "filer", "admin")


def service(home: Home, environment: dict[str, str]) -> Service:
    ports = {server: home.port(f"store-{server}") for server in _SERVERS}
    return Service(
        name="store",
        argv=[Path(sys.executable).with_name("weed"), "mini", *_flags(home, ports)],
        ready=_takes_pictures(ports),
        address=address(home),
        environment={**environment, "GOMEMLIMIT": "300MiB"},
        folder=home.room("store"),
        stops_last=True,
    )


def address(home: Home) -> str:
    return f"http://127.0.0.1:{home.port('store-s3')}"


def _takes_pictures(ports: dict[str, int]) -> Check:
    """The S3 port answers before the bucket is there, and before there is a volume to write to."""
    return readiness.all_of(
        readiness.http_ok(ports["s3"], "/healthz"),
        readiness.http_ok(ports["filer"], f"/buckets/{BUCKET}/"),
        readiness.http_ok(ports["master"], f"/dir/assign?collection={BUCKET}"),
    )


def _flags(home: Home, ports: dict[str, int]) -> list[str]:
    return [
        f"-dir={home.room('store')}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{server}.port={port}" for server, port in ports.items()),
        f"-s3.config={_credentials(home)}",
        f"-bucket={BUCKET}",
        # Every bucket takes volumes of its own; when they run out, writes fail and the server does not stop.
        "-master.volumeSizeLimitMB=256",
        "-volume.max=64",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        # Relative to its folder: the path of a socket may not be longer than 107 bytes.
        "-filer.localSocket=filer.sock",
        "-s3.localSocket=s3.sock",
    ]


def _credentials(home: Home) -> Path:
    keys = {"accessKey": home.secret("store-access"), "secretKey": home.secret("store")}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": BUCKET, "credentials": [keys], "actions": actions}
    return home.write("store.json", json.dumps({"identities": [identity]}))
