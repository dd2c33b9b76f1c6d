"""One flow with one task on a local cluster, from a cold start: how long a first script takes."""

from orchestra_nb import flow, task


@task
def greet(name):
    return f"Hello, {name}!"


@flow
def hello(name="world"):
    return greet.submit(name).result()


print(hello())
