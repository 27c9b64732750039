"""How this instance introduces itself to another operator."""

from __future__ import annotations

from typing import Any

from federation import descriptor
from federation.descriptor import Contacts
from instance.assembly import Assembly


def introduction(assembly: Assembly) -> dict[str, Any]:
    """The signed descriptor of this instance, with the contacts of its imprint."""
    imprint = assembly.settings.imprint
    return descriptor.export(assembly.identity, Contacts(
        imprint.operator, imprint.medical_contact, imprint.technical_contact, imprint.dpo))
