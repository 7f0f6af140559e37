"""`python -m layer`: builds the zips of both architectures, SBOMs and checksums into dist/."""

import argparse
import hashlib
import json
from pathlib import Path

from layer import archive, pins, plan, sbom, tools
from layer.assemble import Assembly


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m layer", description=__doc__)
    parser.add_argument("--arch", action="append", help="x86_64 or arm64; both by default")
    parser.add_argument("--python", help="interpreter of the layer; layer.toml has the default")
    parser.add_argument("--mirror", help="address of a Debian archive, where this is no Debian")
    parser.add_argument("--keyring", help="key ring that checks it")
    parser.add_argument(
        pins.FLAG,
        action="store_true",
        help="take packages of Debian that are not the pinned ones, and pin them",
    )
    parser.add_argument("--output", type=Path, default=plan.CHECKOUT / "dist")
    parser.add_argument("--build", type=Path, default=plan.CHECKOUT / "build/layer")
    return parser.parse_args()


def build(options: argparse.Namespace) -> list[str]:
    """Build the zips; return a line for each exceeded size budget."""
    written = plan.load()
    limits = plan.budget(written)
    complaints = []
    for arch in options.arch or ["x86_64", "arm64"]:
        target = plan.target(written, arch, options.python)
        host = plan.target(written, plan.host(), options.python)
        assembly = Assembly(
            target,
            options.build.resolve(),
            options.mirror,
            options.keyring,
            accept_debian=options.accept_debian,
        )
        content = assembly.make(host)
        file = options.output / target.zip_name
        archive.write(content, target.date, file)
        add_papers(file, assembly)
        print(archive.report(content, file), flush=True)
        for what, size, limit in (
            ("the zip", file.stat().st_size, limits.zip),
            ("unpacked", sum(one.size for one in content), limits.unpacked),
        ):
            if size > limit:
                complaints.append(f"{file.name}: {what} has {size:,} bytes of {limit:,} allowed")
    return complaints


def add_papers(file: Path, assembly: Assembly) -> None:
    """Write a zip's bill of materials and its checksum beside it."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    bill = sbom.bill(assembly.described(), sha256)
    text = json.dumps(bill, indent=1, ensure_ascii=False) + "\n"
    file.with_suffix(".cdx.json").write_text(text, encoding="utf-8")
    file.with_suffix(".zip.sha256").write_text(f"{sha256}  {file.name}\n")


def main() -> None:
    """Build the zips; fail if a budget is exceeded."""
    options = arguments()
    options.build.mkdir(parents=True, exist_ok=True)
    options.output.mkdir(parents=True, exist_ok=True)
    arches = options.arch or ["x86_64", "arm64"]
    names = [plan.target(plan.load(), arch).arch.triplet for arch in arches]
    programs = [f"{name}-{program}" for name in names for program in ("gcc", "strip")]
    tools.require(["apt-get", "dpkg-deb", "patchelf", "readelf", *programs])
    if complaints := build(options):
        raise SystemExit("\n".join(complaints))


if __name__ == "__main__":
    main()
