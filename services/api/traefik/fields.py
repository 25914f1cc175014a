"""What can be said about Traefik's routers, services and middlewares in labels: every field and its type. Pure data.

Facts of Traefik 3.7's dynamic configuration, all of them tried on a real one (tests/nats/test_traefik_fields.py). One
field that Traefik does not know makes it reject a whole document, so what is not here is left out and told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How the text of a label becomes JSON."""

    TEXT = "text"
    FLAG = "boolean"
    NUMBER = "integer"
    DURATION = "duration"
    LIST = "list"  # of texts, joined by commas
    TEXTS = "map of texts"
    NUMBERS = "map of integers"
    ANY = "anything"  # a plugin's own configuration


@dataclass(frozen=True, slots=True)
class Group:
    """Fields by their names. `bare`: it may be given without any, as `true`. `several`: it is a list of groups."""

    fields: "Mapping[str, Field]"
    bare: bool = False
    several: bool = False


Field = Kind | Group

T, F, N, D, L = Kind.TEXT, Kind.FLAG, Kind.NUMBER, Kind.DURATION, Kind.LIST

_DOMAINS: Final = Group({"main": T, "sans": L}, several=True)
_ROUTER_TLS: Final[Mapping[str, Field]] = {"options": T, "certResolver": T, "domains": _DOMAINS}
_IP_STRATEGY: Final[Mapping[str, Field]] = {"depth": N, "excludedIPs": L, "ipv6Subnet": N}
_SOURCE: Final = Group({"ipStrategy": Group(_IP_STRATEGY), "requestHeaderName": T, "requestHost": F})
_AUTH_TLS: Final[Mapping[str, Field]] = {"ca": T, "cert": T, "key": T, "insecureSkipVerify": F}
_NAME_PARTS: Final[Mapping[str, Field]] = dict.fromkeys(
    ("country", "province", "locality", "organization", "commonName", "serialNumber", "domainComponent"), F
)
_COOKIE: Final[Mapping[str, Field]] = {
    "name": T, "secure": F, "httpOnly": F, "sameSite": T, "maxAge": N, "path": T, "domain": T,
}  # fmt: skip
_HEALTH: Final[Mapping[str, Field]] = {
    "scheme": T, "mode": T, "path": T, "method": T, "status": N, "port": N, "interval": D, "unhealthyInterval": D,
    "timeout": D, "hostname": T, "followRedirects": F, "headers": Kind.TEXTS,
}  # fmt: skip
_REDIS: Final[Mapping[str, Field]] = {
    "endpoints": L, "tls": Group(_AUTH_TLS), "username": T, "password": T, "db": N, "poolSize": N, "minIdleConns": N,
    "maxActiveConns": N, "readTimeout": D, "writeTimeout": D, "dialTimeout": D,
}  # fmt: skip
_HEADERS: Final[Mapping[str, Field]] = {
    "customRequestHeaders": Kind.TEXTS, "customResponseHeaders": Kind.TEXTS, "accessControlAllowCredentials": F,
    "accessControlAllowHeaders": L, "accessControlAllowMethods": L, "accessControlAllowOriginList": L,
    "accessControlAllowOriginListRegex": L, "accessControlExposeHeaders": L, "accessControlMaxAge": N,
    "addVaryHeader": F, "allowedHosts": L, "hostsProxyHeaders": L, "sslProxyHeaders": Kind.TEXTS, "stsSeconds": N,
    "stsIncludeSubdomains": F, "stsPreload": F, "forceSTSHeader": F, "frameDeny": F, "customFrameOptionsValue": T,
    "contentTypeNosniff": F, "browserXssFilter": F, "customBrowserXSSValue": T, "contentSecurityPolicy": T,
    "contentSecurityPolicyReportOnly": T, "publicKey": T, "referrerPolicy": T, "permissionsPolicy": T,
    "isDevelopment": F, "featurePolicy": T, "sslRedirect": F, "sslTemporaryRedirect": F, "sslHost": T,
    "sslForceHost": F,
}  # fmt: skip
_ENCODED: Final[Mapping[str, Field]] = dict.fromkeys(
    (
        "allowEncodedSlash", "allowEncodedBackSlash", "allowEncodedNullCharacter", "allowEncodedSemicolon",
        "allowEncodedPercent", "allowEncodedQuestionMark", "allowEncodedHash",
    ), F,
)  # fmt: skip

HTTP_MIDDLEWARE: Final = Group({
    "addPrefix": Group({"prefix": T}),
    "basicAuth": Group({"users": L, "usersFile": T, "realm": T, "removeHeader": F, "headerField": T}),
    "buffering": Group({
        "maxRequestBodyBytes": N, "memRequestBodyBytes": N, "maxResponseBodyBytes": N, "memResponseBodyBytes": N,
        "retryExpression": T,
    }),
    "chain": Group({"middlewares": L}),
    "circuitBreaker": Group({
        "expression": T, "checkPeriod": D, "fallbackDuration": D, "recoveryDuration": D, "responseCode": N,
    }),
    "compress": Group({
        "excludedContentTypes": L, "includedContentTypes": L, "minResponseBodyBytes": N, "encodings": L,
        "defaultEncoding": T,
    }, bare=True),
    "contentType": Group({"autoDetect": F}, bare=True),
    "digestAuth": Group({"users": L, "usersFile": T, "removeHeader": F, "realm": T, "headerField": T}),
    "encodedCharacters": Group(_ENCODED),
    "errors": Group({"status": L, "statusRewrites": Kind.NUMBERS, "service": T, "query": T, "errorRequestHeaders": L}),
    "forwardAuth": Group({
        "address": T, "tls": Group({**_AUTH_TLS, "caOptional": F}), "trustForwardHeader": F, "authResponseHeaders": L,
        "authResponseHeadersRegex": T, "authRequestHeaders": L, "addAuthCookiesToResponse": L, "headerField": T,
        "forwardBody": F, "maxBodySize": N, "preserveLocationHeader": F, "preserveRequestMethod": F,
        "authSigninURL": T,
    }),
    "grpcWeb": Group({"allowOrigins": L}),
    "headers": Group(_HEADERS),
    "ipAllowList": Group({"sourceRange": L, "ipStrategy": Group(_IP_STRATEGY, bare=True), "rejectStatusCode": N}),
    "ipWhiteList": Group({"sourceRange": L, "ipStrategy": Group(_IP_STRATEGY, bare=True)}),
    "inFlightReq": Group({"amount": N, "sourceCriterion": _SOURCE}),
    "passTLSClientCert": Group({"pem": F, "info": Group({
        "notAfter": F, "notBefore": F, "sans": F, "serialNumber": F,
        "subject": Group({**_NAME_PARTS, "organizationalUnit": F}), "issuer": Group(_NAME_PARTS),
    })}),
    "plugin": Kind.ANY,
    "rateLimit": Group({"average": N, "period": D, "burst": N, "sourceCriterion": _SOURCE, "redis": Group(_REDIS)}),
    "redirectRegex": Group({"regex": T, "replacement": T, "permanent": F}),
    "redirectScheme": Group({"scheme": T, "port": T, "permanent": F}),
    "replacePath": Group({"path": T}),
    "replacePathRegex": Group({"regex": T, "replacement": T}),
    "retry": Group({
        "attempts": N, "initialInterval": D, "timeout": D, "maxRequestBodyBytes": N, "status": L,
        "disableRetryOnNetworkError": F, "retryNonIdempotentMethod": F,
    }),
    "stripPrefix": Group({"prefixes": L, "forceSlash": F}),
    "stripPrefixRegex": Group({"regex": L}),
})  # fmt: skip
HTTP_ROUTER: Final = Group({
    "entryPoints": L, "middlewares": L, "service": T, "rule": T, "parentRefs": L, "ruleSyntax": T, "priority": N,
    "tls": Group(_ROUTER_TLS, bare=True),
    "observability": Group({"accessLogs": F, "metrics": F, "tracing": F, "traceVerbosity": T}),
})  # fmt: skip
# `server` is what labels say about all servers of a service; `port` and `scheme` become part of their addresses.
HTTP_SERVICE: Final = Group({"loadBalancer": Group({
    "sticky": Group({"cookie": Group(_COOKIE, bare=True)}, bare=True),
    "server": Group({"url": T, "scheme": T, "port": T, "weight": N, "preservePath": F}),
    "strategy": T, "healthCheck": Group(_HEALTH),
    "passiveHealthCheck": Group({"failureWindow": D, "maxFailedAttempts": N}),
    "passHostHeader": F, "responseForwarding": Group({"flushInterval": D}), "serversTransport": T,
})})  # fmt: skip
TCP_ROUTER: Final = Group({
    "entryPoints": L, "middlewares": L, "service": T, "rule": T, "ruleSyntax": T, "priority": N,
    "tls": Group({"passthrough": F, **_ROUTER_TLS}, bare=True),
})  # fmt: skip
TCP_SERVICE: Final = Group({"loadBalancer": Group({
    "server": Group({"port": T, "tls": F}), "serversTransport": T, "proxyProtocol": Group({"version": N}, bare=True),
    "terminationDelay": N, "healthCheck": Group({
        "port": N, "send": T, "expect": T, "interval": D, "unhealthyInterval": D, "timeout": D,
    }, bare=True),
})})  # fmt: skip
TCP_MIDDLEWARE: Final = Group({
    "ipAllowList": Group({"sourceRange": L}), "ipWhiteList": Group({"sourceRange": L}),
    "inFlightConn": Group({"amount": N}),
})  # fmt: skip
UDP_ROUTER: Final = Group({"entryPoints": L, "service": T})
UDP_SERVICE: Final = Group({"loadBalancer": Group({"server": Group({"port": T})})})

SECTIONS: Final[Mapping[str, Mapping[str, Group]]] = {
    "http": {"routers": HTTP_ROUTER, "services": HTTP_SERVICE, "middlewares": HTTP_MIDDLEWARE},
    "tcp": {"routers": TCP_ROUTER, "services": TCP_SERVICE, "middlewares": TCP_MIDDLEWARE},
    "udp": {"routers": UDP_ROUTER, "services": UDP_SERVICE},
}
