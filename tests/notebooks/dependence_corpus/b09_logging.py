import logging
import warnings
import sys
import numpy as np

# %%
warnings.filterwarnings("ignore")
# %%
logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("demo")
# %%
logger.setLevel(logging.DEBUG)


# %%
def work(n):
    logger.info("working %d", n)
    return n**2


# %%
result = work(4)
# %%
records = []


class Keep(logging.Handler):
    def emit(self, record):
        records.append(record.getMessage())


# %%
logger.addHandler(Keep())
# %%
work(5)
# %%
records
# %%
sys.path.append("/tmp/nowhere")
# %%
"/tmp/nowhere" in sys.path
# %%
np.seterr(divide="ignore")
# %%
np.array([1.0]) / 0
# %%
result + 1
