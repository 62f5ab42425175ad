"""Headers that stand on every answer; what each is for stands beside it."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No inline script or style, nothing from elsewhere, no frames around us, and no way from text to markup in scripts."""

_PERMISSIONS = (
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), "
    "midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()"
)

EVERYWHERE: tuple[tuple[str, str], ...] = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),  # for browsers that know no frame-ancestors
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms, and the check of Origin would be blind.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Permissions-Policy", _PERMISSIONS),
    ("X-Permitted-Cross-Domain-Policies", "none"),
    ("X-Robots-Tag", "noindex, nofollow"),
)

SHOWN_ELSEWHERE = (("Cross-Origin-Resource-Policy", "cross-origin"),)
"""For public media: other sites may show them. Frames and pages stay ours."""
READ_ELSEWHERE = (*SHOWN_ELSEWHERE, ("Access-Control-Allow-Origin", "*"))
"""For what other sites' scripts may read, too. Browsers take `*` for requests without cookies only, so nobody's session helps."""

PRIVATE = "no-store"
"""Cache-Control of pages and of the API."""
