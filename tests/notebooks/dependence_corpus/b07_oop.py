from abc import ABC, abstractmethod
import math


# %%
class Shape(ABC):
    registry = []

    def __init__(self, name):
        self.name = name
        Shape.registry.append(self)

    @abstractmethod
    def area(self): ...
    def __repr__(self):
        return f"{self.name} {self.area():.1f}"


# %%
class Circle(Shape):
    def __init__(self, r):
        super().__init__("circle")
        self._r = r

    @property
    def r(self):
        return self._r

    @r.setter
    def r(self, value):
        if value < 0:
            raise ValueError
        self._r = value

    def area(self):
        return math.pi * self._r**2


# %%
class Square(Shape):
    def __init__(self, side):
        super().__init__("square")
        self.side = side

    def area(self):
        return self.side**2


# %%
c = Circle(2)
# %%
s = Square(3)
# %%
c
# %%
c.r = 5
# %%
sum(shape.area() for shape in Shape.registry)


# %%
class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)
        return self

    def pop(self):
        return self.items.pop()

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)


# %%
stack = Stack()
# %%
stack.push(c).push(s)
# %%
len(stack)
# %%
top = stack.pop()
# %%
[x.name for x in stack]
# %%
top.side = 10
# %%
s.area()
# %%
len(Shape.registry)
