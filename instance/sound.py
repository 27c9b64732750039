"""Whether the settings name an instance that can be."""

from __future__ import annotations

from core.countries import pack
from core.errors import InvalidInput, Misconfigured
from core.i18n import is_language
from core.settings import Settings
from federation.addresses import domain_of, origin_of


def check_instance(settings: Settings) -> None:
    """`Misconfigured` unless the settings name an instance: a known country, and a URL at the domain of its people."""
    instance = settings.instance
    if not instance.country:
        raise Misconfigured("instance.country: say which country this instance serves.")
    pack(instance.country)
    if not instance.name.strip():
        raise Misconfigured("instance.name: an instance needs a name.")
    try:
        origin = origin_of(instance.url)
    except InvalidInput as error:
        raise Misconfigured("instance.url: %(url)s cannot be used.", values={"url": repr(instance.url)},
                            cause=error.message) from None
    if origin != instance.url:
        raise Misconfigured("instance.url: write it as %(origin)s.", values={"origin": origin})
    if domain_of(origin) != instance.domain:
        raise Misconfigured("instance.domain: %(domain)s is not the host of instance.url, which is %(host)s.",
                            values={"domain": repr(instance.domain), "host": domain_of(origin)})
    for code in instance.languages:
        if not is_language(code):
            raise Misconfigured("instance.languages: there is no language %(code)s.", values={"code": repr(code)})
