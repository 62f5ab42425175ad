"""A bus without a bus: answers what a test says, and writes down what it was asked."""

from collections.abc import Mapping

from appliance.host.bus import Bus, Resync, Signal, Watch

Body = tuple[object, ...]


class MadeUpBus(Bus):
    """Answers by the name of a method or property; an exception among the answers is raised."""

    def __init__(self, answers: Mapping[str, list[object]] | None = None, properties: Mapping[str, object] | None = None) -> None:
        super().__init__("unix:path=/nonexistent")
        self.asked: list[tuple[object, ...]] = []
        self.said: list[Signal | Resync | None] = []
        self.is_listening = True
        self._answers = {name: list(answers) for name, answers in (answers or {}).items()}
        self.properties = dict(properties or {})

    def call(
        self,
        service: str,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        body: Body = (),
        *,
        timeout_s: float = 10.0,
    ) -> Body:
        self.asked.append((service, path, interface, method, signature, body))
        assert timeout_s <= 10
        waiting = self._answers.get(method)
        answer = waiting.pop(0) if waiting else ()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, tuple)
        return answer

    def call_for_fd(
        self,
        service: str,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        body: Body = (),
        *,
        timeout_s: float = 10.0,
    ) -> int:
        (number,) = self.call(service, path, interface, method, signature, body, timeout_s=timeout_s)
        assert isinstance(number, int)
        return number

    def get(self, service: str, path: str, interface: str, name: str, *, timeout_s: float = 10.0) -> object:
        self.asked.append((service, path, interface, name))
        assert timeout_s <= 10
        value = self.properties[name]
        if isinstance(value, Exception):
            raise value
        return value

    def get_all(self, service: str, path: str, interface: str, *, timeout_s: float = 10.0) -> dict[str, object]:
        self.asked.append((service, path, interface))
        assert timeout_s <= 10
        return self.properties

    def watch(self, service: str, path_namespace: str, *, interface: str | None = None, member: str | None = None) -> Watch:
        self.asked.append((service, path_namespace, interface, member))
        return MadeUpWatch(self)


class MadeUpWatch(Watch):
    """Says what the bus has it say."""

    def __init__(self, bus: MadeUpBus) -> None:
        self._made_up = bus

    def take(self, timeout_s: float) -> Signal | Resync | None:
        return self._made_up.said.pop(0) if self._made_up.said else None

    def close(self) -> None:
        self._made_up.is_listening = False
