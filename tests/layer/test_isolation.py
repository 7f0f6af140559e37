"""The function's environment, image, limits and user cannot affect the layer."""

import json
import subprocess
from pathlib import Path

import pytest
from layer_roots import LAMBDA_UID, MEGABYTE, PROGRAMS, PYTHON, START, Root

pytestmark = pytest.mark.layer

EVIL = b"raise SystemExit('poisoned')\n"
COMPILER = "x86_64-linux-gnu-gcc"
LOOK_ALIKES = {
    "/tmp/evil/sitecustomize.py": EVIL,
    "/tmp/evil/json.py": EVIL,
    "/tmp/evil/encodings/__init__.py": EVIL,
    "/tmp/evil/pyarrow/__init__.py": EVIL,
    "/tmp/evil/libssl.so.3": b"no library",
    "/tmp/evil/libc.so.6": b"no library",
    "/tmp/evil/libstdc++.so.6": b"no library",
    "/tmp/evil/openssl.cnf": b"openssl_conf = x\n[x]\nproviders = y\n[y]\nz = w\n",
    "/tmp/everything.py": (PROGRAMS / "everything.py").read_bytes(),
}
HOSTILE = {
    "PYTHONPATH": "/tmp/evil",
    "PYTHONHOME": "/tmp/evil",
    "PYTHONSTARTUP": "/tmp/evil/json.py",
    "PYTHONMALLOC": "nonsense",
    "PYTHONHASHSEED": "nonsense",
    "PYTHONUTF8": "nonsense",
    "PYTHONINSPECT": "1",
    "PYTHON_LAZY_IMPORTS": "nonsense",
    "LD_LIBRARY_PATH": "/tmp/evil",
    "LD_PRELOAD": "/tmp/evil/foreign.so",
    "LD_AUDIT": "/tmp/evil/libc.so.6",
    "LD_DEBUG": "all",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=nonsense",
    "MALLOC_PERTURB_": "171",
    "GCONV_PATH": "/tmp/evil",
    "LOCPATH": "/tmp/evil",
    "OPENSSL_CONF": "/tmp/evil/openssl.cnf",
    "OPENSSL_MODULES": "/tmp/evil",
    "SSL_CERT_FILE": "/tmp/evil/none.pem",
    "NODE_OPTIONS": "--require /tmp/evil/none.js",
    "TZ": "Nowhere/Nothing",
    "LANG": "xx",
    "LC_ALL": "xx_YY.NONSENSE",
    "ARROW_DEFAULT_MEMORY_POOL": "nonsense",
    "MALLOC_ARENA_MAX": "8",
}


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give a library that ends each process which loads it, and needs a missing libc."""
    folder = tmp_path_factory.mktemp("foreign")
    code = "__attribute__((constructor)) void f(void) { *(volatile int *)0 = 0; }\n"
    (folder / "foreign.c").write_text(code)
    library = folder / "foreign.so"
    command = [COMPILER, "-shared", "-nostdlib", "-o", str(library), str(folder / "foreign.c")]
    subprocess.run(command, check=True)
    subprocess.run(["patchelf", "--add-needed", "libc.musl-x86_64.so.1", library], check=True)
    return Path(library).read_bytes()


def test_look_alikes_in_every_variable_change_nothing(root: Root, foreign: bytes) -> None:
    """The launcher withholds what would change how our loader, libc, Python or OpenSSL start."""
    files = {**LOOK_ALIKES, "/tmp/evil/foreign.so": foreign}
    ended = root.run([START, "/tmp/everything.py"], files=files, env=HOSTILE, cwd="/tmp/evil")
    assert (ended.code, ended.out, ended.err) == (0, "done\n", "")


def test_the_look_alikes_do_hurt_a_program_without_the_launcher(root: Root, foreign: bytes) -> None:
    """Otherwise the test above would prove nothing."""
    files = {**LOOK_ALIKES, "/tmp/evil/foreign.so": foreign}
    preload = {"LD_PRELOAD": "/tmp/evil/foreign.so"}
    assert root.run([PYTHON, "-c", "pass"], files=files, env=preload).code != 0


def test_even_without_the_launcher_our_libraries_come_first(root: Root) -> None:
    """DT_RPATH precedes LD_LIBRARY_PATH, and python3._pth isolates Python."""
    env = {name: HOSTILE[name] for name in ("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")}
    command = [PYTHON, "-c", "import ssl, json, pyarrow; print(ssl.OPENSSL_VERSION)"]
    ended = root.run(command, files=LOOK_ALIKES, env=env, cwd="/tmp/evil")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("OpenSSL 3")


def test_settings_and_credentials_pass_the_launcher_unchanged(root: Root) -> None:
    """Only names that change how a program starts are withheld."""
    given = {
        "OTLP2PARQUET_DESTINATION": "s3://bucket/ü",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_CA_BUNDLE": "/var/task/ca.pem",
        "PYICEBERG_CATALOG__LAKE__URI": "x",
        "LDAP_HOST": "not the loader's",
        "LANGUAGES": "not the locale's",
        "EMPTY": "",
    }
    ours = {"LC_ALL", "TZ", "OPENSSL_CONF", "SSL_CERT_FILE"}
    ours |= {"ARROW_DEFAULT_MEMORY_POOL", "MALLOC_ARENA_MAX"}
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    ended = root.python(code, env={**HOSTILE, **given, "NODE_OPTIONS": ""})
    seen = json.loads(ended.out)
    assert {name: seen[name] for name in given} == given
    assert set(seen) - set(given) - {"NODE_OPTIONS"} == ours


def test_text_is_utf_8_whatever_the_locale(root: Root) -> None:
    """Amazon Linux images often have no locale at all."""
    code = "import sys, locale; print(sys.stdout.encoding, sys.getfilesystemencoding(), 'ü')"
    assert root.python(code, env={"LANG": "xx"}).out == "utf-8 utf-8 ü\n"


def test_a_read_only_root_and_an_unprivileged_user_are_enough(root: Root) -> None:
    """As in Lambda, everything except /tmp is read-only, and the user has no name."""
    ended = root.program("everything.py", uid=LAMBDA_UID, read_only=True)
    assert (ended.code, ended.out, ended.err) == (0, "done\n", "")


def test_a_full_tmp_does_not_keep_it_from_starting(root: Root) -> None:
    """The function may have filled /tmp before us; libraries must not need it to load."""
    code = "import asyncio, pyarrow.parquet, pyiceberg.catalog, msgspec; print('started')"
    fill = "f = open('/tmp/full', 'wb', buffering=0)\ntry:\n while f.write(b'x' * 4096): pass\n"
    ended = root.python(f"{fill}except OSError: pass\n{code}", tmp_bytes=MEGABYTE)
    assert (ended.out, ended.err) == ("started\n", "")


def test_an_environment_of_four_thousand_variables_passes(root: Root) -> None:
    """Lambda allows 4 KB; the launcher's table is larger than what any kernel passes by default."""
    env = {f"V{n}": str(n) for n in range(4000)}
    ended = root.python("import os; print(len(os.environ))", env=env)
    assert ended.out == f"{4000 + 6}\n"
