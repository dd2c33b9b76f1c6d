from dataclasses import dataclass, field


# %%
@dataclass
class Account:
    owner: str
    balance: float = 0.0
    history: list = field(default_factory=list)

    def deposit(self, amount):
        self.balance += amount
        self.history.append(("deposit", amount))

    def report(self):
        return f"{self.owner}: {self.balance}"


# %%
alice = Account("alice")
bob = Account("bob", 10)
# %%
alice.deposit(100)
# %%
print(bob.report())


# %%
def transfer(src, dst, amount):
    src.balance -= amount
    dst.balance += amount


# %%
transfer(alice, bob, 30)
# %%
alice.report()
# %%
accounts = {"a": alice, "b": bob}
# %%
accounts["a"].deposit(5)
# %%
len(alice.history)


# %%
class Savings(Account):
    rate = 0.02

    def grow(self):
        self.balance *= 1 + self.rate


# %%
s = Savings("carol", 100)
# %%
Savings.rate = 0.05
# %%
s.grow()
s.balance
# %%
bob.balance
