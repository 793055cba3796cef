"""The only double: a provider that does as it is told."""

from collections import deque
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from core.generation import Size
from workers.providers.base import Delivered, Order, Provider, RawPicture

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
