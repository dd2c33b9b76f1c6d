import functools
import time

# %%
log = []


# %%
def traced(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        log.append(func.__name__)
        return func(*args, **kwargs)

    return wrapper


# %%
@traced
def add(a, b):
    return a + b


# %%
add(1, 2)
# %%
len(log)


# %%
@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


# %%
fib(20)


# %%
def repeat(times):
    def deco(func):
        def inner(*args):
            return [func(*args) for _ in range(times)]

        return inner

    return deco


# %%
@repeat(3)
def greet(name):
    return f"{greeting}, {name}"


# %%
greeting = "Hello"
# %%
greet("Ann")
# %%
double = functools.partial(add, 2)
# %%
double(5)
# %%
log
# %%
total = functools.reduce(lambda acc, x: acc + x, [1, 2, 3])


# %%
class Timer:
    def __enter__(self):
        self.start = 0
        return self

    def __exit__(self, *exc):
        self.elapsed = 1
        return False


# %%
timer = Timer()
# %%
with timer:
    s = sum(range(total))
# %%
timer.elapsed, s
