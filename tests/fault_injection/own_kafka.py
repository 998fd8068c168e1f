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
        front_bootstrap: where members reach the second listener, through what `front` puts before it.
    """

    def __init__(self, folder: Path) -> None:
        self._front, self._behind = free_port(), free_port()
        self.front_bootstrap = f"127.0.0.1:{self._front}"
        super().__init__(folder, front=(self._behind, self._front), more=_AUTHORIZER)

    def front(self) -> KafkaProxy:
        """Return a proxy before the second listener."""
        return KafkaProxy(self._front, self._behind)

    def deny_writing(self, topic: str) -> None:
        """Deny writing to a topic; everything else stays allowed."""
        admin = AdminClient(self.client())
        everything = (AclOperation.ALL, AclPermissionType.ALLOW)
        bindings = [
            AclBinding(Resource.TOPIC, topic, Pattern.LITERAL, *_WRITING),
            # A topic with any rule denies everything else, unless a rule allows it.
            AclBinding(Resource.TOPIC, topic, Pattern.LITERAL, "User:ANONYMOUS", "*", *everything),
        ]
        for answer in admin.create_acls(bindings).values():
            answer.result(_WITHIN_S)

    def allow_writing(self, topic: str) -> None:
        """Allow writing again."""
        admin = AdminClient(self.client())
        denied = AclBindingFilter(Resource.TOPIC, topic, Pattern.LITERAL, *_WRITING)
        for answer in admin.delete_acls([denied]).values():
            answer.result(_WITHIN_S)
