"""The only doubles: providers that do as they are told."""

from collections import deque
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from core.generation import Size
from workers.providers.base import Accepted, Delivered, Order, Pending, Provider, RawPicture

Step = Exception | int | list[RawPicture] | Callable[[], object]


class FakeProvider(Provider):
    """Takes one step of its script a call: raises it, sends so many pictures, or these, or does it first.

    A call beyond the script gets all that it ordered. `orders` and `made` keep what was asked and sent.
    """

    def __init__(self, *script: Step) -> None:
        self._script = deque(script)
        self.orders: list[Order] = []
        self.made: list[bytes] = []

    pictures_per_call = 10

    def submit(self, order: Order) -> Delivered:
        self.orders.append(order)
        match self._script.popleft() if self._script else order.n:
            case Exception() as error:
                raise error
            case list() as pictures:
                return Delivered(pictures)
            case int() as most:
                return Delivered([self.draw(order.size) for _ in range(most)])
            case act:
                act()
                return Delivered([self.draw(order.size) for _ in range(order.n)])

    def draw(self, size: Size) -> RawPicture:
        """Each is another, and a PNG of the size ordered."""
        file = BytesIO()
        Image.new("RGB", size, (len(self.made), 80, 120)).save(file, "PNG")
        self.made.append(file.getvalue())
        return RawPicture(self.made[-1], revised_prompt=f"picture {len(self.made)}")


Poll = Exception | Pending | Callable[[], object]


class FakePollingProvider(FakeProvider):
    """Accepts every order, and takes one step of its script a poll; a poll beyond it delivers.

    `polled` keeps the handles that it was asked with.
    """

    pictures_per_call = 1

    def __init__(self, *script: Poll) -> None:
        super().__init__()
        self._polls = deque(script)
        self.polled: list[Mapping[str, Any]] = []

    def submit(self, order: Order) -> Accepted:  # type: ignore[override] # it never delivers at once
        self.orders.append(order)
        return Accepted({"task": len(self.orders)})

    def poll(self, order: Order, handle: Mapping[str, Any]) -> Delivered | Pending:
        self.polled.append(handle)
        match self._polls.popleft() if self._polls else None:
            case Exception() as error:
                raise error
            case Pending() as pending:
                return pending
            case None:
                return Delivered([self.draw(order.size)])
            case act:
                act()
                return Pending()
