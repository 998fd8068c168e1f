"""An Apache Kafka for scenarios that restart it, use ACLs, or slow it down."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType as Pattern
from confluent_kafka.admin._resource import ResourceType as Resource

from tests.fault_injection.kafka_proxy import KafkaProxy
from tests.kafka_clusters.apache import ApacheBroker
from tests.kafka_clusters.broker import free_port

_WITHIN_S = 120.0
_WRITING = ("User:ANONYMOUS", "*", AclOperation.WRITE, AclPermissionType.DENY)

_AUTHORIZER = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


class OwnKafka(ApacheBroker):
    """A broker with an authorizer that allows everything without a deny rule, and a second listener.

    Attributes:
        proxy_bootstrap: address of the proxy, for clients of the second listener.
    """

    def __init__(self, folder: Path) -> None:
        self._proxy_port, self._listener_port = free_port(), free_port()
        self.proxy_bootstrap = f"127.0.0.1:{self._proxy_port}"
        super().__init__(folder, front=(self._listener_port, self._proxy_port), more=_AUTHORIZER)

    def proxy(self) -> KafkaProxy:
        """Return a proxy before the second listener."""
        return KafkaProxy(self._proxy_port, self._listener_port)

    def deny_writing(self, topic: str) -> None:
        """Deny writing to a topic; everything else stays allowed."""
        admin = AdminClient(self.client())
        everything = (AclOperation.ALL, AclPermissionType.ALLOW)
        bindings = [
            AclBinding(Resource.TOPIC, topic, Pattern.LITERAL, *_WRITING),
            # A topic with any rule denies everything else, unless a rule allows it.
            AclBinding(Resource.TOPIC, topic, Pattern.LITERAL, "User:ANONYMOUS", "*", *everything),
        ]
        for future in admin.create_acls(bindings).values():
            future.result(_WITHIN_S)

    def allow_writing(self, topic: str) -> None:
        """Allow writing again."""
        admin = AdminClient(self.client())
        denied = AclBindingFilter(Resource.TOPIC, topic, Pattern.LITERAL, *_WRITING)
        for future in admin.delete_acls([denied]).values():
            future.result(_WITHIN_S)
