"""The list of everything in the image (SBOM), in the two forms that tools read: SPDX 2.3 and CycloneDX 1.6."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

from imagebuild.lock import Package

OURS = uuid.UUID("b9f4a2c6-3b5e-4f0c-8d61-5342304d0000")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One thing that is in the image."""

    url: str
    """Package URL: kind, name and version in one."""
    name: str
    version: str
    supplier: str
    licence: str | None = None
    sha256: str | None = None

    @property
    def id(self) -> str:
        """Identifier within an SPDX document."""
        return "SPDXRef-" + hashlib.sha256(self.url.encode()).hexdigest()[:20]


def debian_parts(packages: Sequence[Package], release: str) -> list[Part]:
    """Return what the lock names; the licences of each lie in the image, below /usr/share/doc."""
    return [
        Part(
            f"pkg:deb/debian/{quote(one.name)}@{quote(one.version)}?arch={one.architecture}&distro={release}",
            one.name, one.version, "Organization: Debian", None, one.sha256,
        )
        for one in packages
    ]  # fmt: skip


def python_parts(site: Path) -> list[Part]:
    """Return what is installed in site-packages."""
    found = []
    for metadata in site.glob("*.dist-info/METADATA"):
        fields = HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))
        name, version = str(fields["Name"]), str(fields["Version"])
        licence = fields.get("License-Expression")
        found.append(Part(f"pkg:pypi/{quote(name.lower())}@{quote(version)}", name, version, "NOASSERTION", licence))
    return found


def own_part(version: str) -> Part:
    """Return the program itself."""
    return Part(f"pkg:generic/nightjar@{version}", "nightjar", version, "NOASSERTION", "GPL-3.0-or-later")


def spdx(parts: Sequence[Part], version: str, epoch: int) -> str:
    """Return the list as an SPDX document."""
    own = own_part(version)
    packages = [
        {
            "SPDXID": part.id,
            "name": part.name,
            "versionInfo": part.version,
            "supplier": part.supplier,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": part.licence or "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": part.url}],
            **({"checksums": [{"algorithm": "SHA256", "checksumValue": part.sha256}]} if part.sha256 else {}),
        }
        for part in (own, *sorted(set(parts)))
    ]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": own.id}]
    relations += [
        {"spdxElementId": own.id, "relationshipType": "CONTAINS", "relatedSpdxElement": part.id} for part in sorted(set(parts))
    ]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"nightjar-{version}-arm64",
        "documentNamespace": f"urn:uuid:{_serial(parts, version)}",
        "creationInfo": {"created": _date(epoch), "creators": ["Tool: nightjar-image-build"]},
        "packages": packages,
        "relationships": relations,
    }
    return json.dumps(document, indent=1) + "\n"


def cyclonedx(parts: Sequence[Part], version: str, epoch: int) -> str:
    """Return the list as a CycloneDX document."""
    own = own_part(version)

    def component(part: Part, kind: str) -> dict[str, object]:
        licences = [{"expression": part.licence}] if part.licence else []
        hashes = [{"alg": "SHA-256", "content": part.sha256}] if part.sha256 else []
        said: dict[str, object] = {
            "type": kind,
            "bom-ref": part.url,
            "name": part.name,
            "version": part.version,
            "purl": part.url,
        }
        return said | ({"licenses": licences} if licences else {}) | ({"hashes": hashes} if hashes else {})

    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_serial(parts, version)}",
        "version": 1,
        "metadata": {"timestamp": _date(epoch), "component": component(own, "firmware")},
        "components": [component(part, "library") for part in sorted(set(parts))],
        "dependencies": [{"ref": own.url, "dependsOn": [part.url for part in sorted(set(parts))]}],
    }
    return json.dumps(document, indent=1) + "\n"


def _serial(parts: Sequence[Part], version: str) -> uuid.UUID:
    return uuid.uuid5(OURS, "\n".join((version, *(f"{part.url} {part.sha256}" for part in sorted(set(parts))))))


def _date(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
