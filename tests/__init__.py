"""The tests. Measuring begins here, before the chat is imported."""

import os

if "SIMPLECHAT_MEASURED" in os.environ:
    from tests.support import measuring

    measuring.start()
