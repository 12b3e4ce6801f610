"""The example repository with promoted images is what the product writes: made again, it is the same to the byte.

`PILOTAGE_WRITE_EXAMPLES=1 pytest tests/gate/test_example.py` writes it anew after a change of the format.
"""

import os
import shutil
from pathlib import Path

from pilotage.gate.promotion.attestation import attest
from pilotage.gate.promotion.registrypromoter import RegistryPromoter
from pilotage.gate.promotion.statements import standing
from pilotage.images.disk.layout import OciLayout
from pilotage.images.reference import parse

from .promotionrig import KEY, order_of, push_operator

EXAMPLE = Path(__file__).parents[2] / "examples" / "gate"
REPOSITORY = "quay.example.com/verified/hypershift-operator"
YANKED_AT = "2026-06-11T09:30:00Z"


async def build(directory: Path) -> None:
    """Two promoted images in `verified`, the first of which was taken back, and the key in `gate.pub`."""
    source = OciLayout(directory / "source", create=True)
    target = OciLayout(directory / "verified", create=True)
    promoter = RegistryPromoter(lambda _reference: source, lambda _reference: target, KEY)
    for name in ("1.0", "1.1"):
        index = await push_operator(source, name=name)
        order = order_of(index.digest, repository=REPOSITORY, aliases=("aro-hcp-latest",))
        await promoter.promote(order)
        await promoter.move_aliases(order, index.digest)
        if name == "1.0":
            word = standing(
                index.digest,
                REPOSITORY,
                "aro-hcp",
                "revoked",
                at=YANKED_AT,
                by="ann",
                reason="loses volumes on resize",
            )
            image = parse(REPOSITORY).at(index.digest)
            await attest(target, image, word, KEY, platform="aro-hcp", run="", created=YANKED_AT)
            await target.put_manifest(parse(REPOSITORY), index, "yanked")  # a name that people can type
    (directory / "gate.pub").write_bytes(KEY.public.pem)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != ".index.json.lock"
    }


async def test_the_example_is_what_is_written(tmp_path):
    """A change of format that nobody meant shows here first."""
    await build(tmp_path)
    shutil.rmtree(tmp_path / "source")

    if os.environ.get("PILOTAGE_WRITE_EXAMPLES"):
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        for name, content in files(tmp_path).items():
            (EXAMPLE / name).parent.mkdir(parents=True, exist_ok=True)
            (EXAMPLE / name).write_bytes(content)
    assert files(tmp_path) == files(EXAMPLE)
