"""The certificate: the device's authority to download and trust, and an own certificate for admins to bring."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.web.answers import Answer, Content, Page, Redirect
from appliance.web.notices import notice
from appliance.web.routes import Style, route
from appliance.web.visit import Visit

_KIND = "application/x-x509-ca-cert"


@route("GET", "/certificate", access=Access.ANYONE)
def certificate(visit: Visit) -> Answer:
    """Show how to trust this appliance."""
    return _page(visit, "")


@route("GET", "/certificate/nightjar-ca.pem", access=Access.ANYONE, style=Style.MEDIA)
def authority_pem(visit: Visit) -> Answer:
    """Send the authority's certificate as text."""
    return Content(visit.parts.certificates.authority_pem, _KIND, "nightjar-ca.pem")


@route("GET", "/certificate/nightjar-ca.crt", access=Access.ANYONE, style=Style.MEDIA)
def authority_der(visit: Visit) -> Answer:
    """Send the authority's certificate as telephones want it."""
    return Content(visit.parts.certificates.authority_der, _KIND, "nightjar-ca.crt")


@route("POST", "/certificate/import", access=Access.ADMIN)
def import_own(visit: Visit) -> Answer:
    """Serve a certificate that an admin brings, for its own names."""
    chain = visit.form.get("chain", "").encode()
    key = Secret(visit.form.get("key", "").encode())
    try:
        own = visit.parts.certificates.import_own(chain, key)
    except InputError as error:
        return _page(visit, str(error))
    visit.note("certificate imported", ", ".join(own.hosts)[:500])
    return Redirect("/certificate?done=certificate-imported")


@route("POST", "/certificate/remove", access=Access.ADMIN)
def remove_own(visit: Visit) -> Answer:
    """Go back to the device's own certificate for all names."""
    if visit.parts.certificates.remove_own():
        visit.note("imported certificate removed")
    return Redirect("/certificate?done=certificate-removed")


def _in_lines(fingerprint: str) -> str:
    """Return a fingerprint in four lines, which two people can compare by voice."""
    octets = fingerprint.split(":")
    return "\n".join(":".join(octets[i : i + 8]) for i in range(0, len(octets), 8))


def _page(visit: Visit, refused: str) -> Page:
    keeper = visit.parts.certificates
    values = {
        "fingerprint": _in_lines(keeper.fingerprint),
        "names": keeper.names.texts,
        "left_out": keeper.left_out if visit.visitor.level >= Access.STAFF else (),
        "not_after": keeper.not_after,
        "own": keeper.own,
        "refused": refused,
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "certificate",
    }
    return Page("certificate", values, 400 if refused else 200)
