"""Enters a root that has nothing but the layer, and becomes a program there.

    unshare (namespaces) --> python enter.py < what.json --> execve inside the root

The environment of the program is given apart: what is meant to hurt the layer must not hurt us on
the way; `inherit` adds it to the one it was started with. Run by `layer_roots.Root`, not imported.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

MAGIC = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
)


def mount(*words: str) -> None:
    """Run mount(8), or raise the reason of its failure."""
    subprocess.run(["mount", *words], check=True)


def enter(root: Path, *, emulator: str, read_only: bool, tmp_bytes: int, shared: list[str]) -> None:
    """Mount what a sandbox has, then make `root` the root; `shared` folders keep their paths."""
    if emulator:  # of this user namespace alone; the kernel keeps the emulator open
        mount("-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc")
        Path("/proc/sys/fs/binfmt_misc/register").write_text(f"{MAGIC}{emulator}:F")
    mount("--bind", str(root), str(root))
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("--bind", "/dev/null", str(root / "dev/null"))
    mount("-t", "tmpfs", "-o", f"size={tmp_bytes},mode=1777", "none", str(root / "tmp"))
    for folder in shared:
        inside = root / folder.lstrip("/")
        inside.mkdir(parents=True)
        mount("--bind", folder, str(inside))
    if read_only:
        mount("-o", "remount,bind,ro", str(root))
    os.chroot(root)
    os.chdir("/")


if __name__ == "__main__":
    what = json.loads(sys.argv[1])
    enter(
        Path(what["root"]),
        emulator=what["emulator"],
        read_only=what["read_only"],
        tmp_bytes=what["tmp_bytes"],
        shared=what["shared"],
    )
    for path, content in what["files"].items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(bytes.fromhex(content))
    os.chdir(what["cwd"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    if what["uid"]:
        os.setgroups([])
        os.setgid(what["uid"])
        os.setuid(what["uid"])
    env = {**os.environ, **what["env"]} if what["inherit"] else what["env"]
    os.execve(what["argv"][0], what["argv"], env)  # noqa: S606 - becoming it is the point
