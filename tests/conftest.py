import os

import hypothesis

# Time never decides a test.
hypothesis.settings.register_profile("aimx", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("AIMX_HYPOTHESIS", "aimx"))
