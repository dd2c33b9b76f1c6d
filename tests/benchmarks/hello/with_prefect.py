"""The same with Prefect, where it is installed: its own server is started for the script, and ends with it."""

from prefect import flow, task


@task
def greet(name):
    return f"Hello, {name}!"


@flow
def hello(name="world"):
    return greet.submit(name).result()


if __name__ == "__main__":
    print(hello())
