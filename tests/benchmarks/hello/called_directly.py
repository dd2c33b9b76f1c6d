"""One flow that calls one task in its own process: what the record of it costs."""

from orchestra_nb import flow, task


@task
def greet(name):
    return f"Hello, {name}!"


@flow
def hello(name="world"):
    return greet(name)


print(hello())
