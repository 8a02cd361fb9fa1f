"""Requests and responses as MLServer's own codecs write them, as they stand in its topics."""

from pathlib import Path

import numpy as np
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

lines = []
for k, (age, job, said) in enumerate(((41, "nurse", 0), (52, "cook", 1), (33, "nurse", 0))):
    request = InferenceRequest(
        id=f"c-{k}",
        inputs=[
            NumpyCodec.encode_input("age", np.array([[age]])),
            StringCodec.encode_input("job", [job], use_bytes=False),
        ],
    )
    outputs = [
        NumpyCodec.encode_output("predict", np.array([said])),
        NumpyCodec.encode_output("predict_proba", np.array([[1 - said * 0.8, said * 0.8]])),
    ]
    response = InferenceResponse(model_name="loans", model_version="7", id=f"c-{k}", outputs=outputs)
    lines += [one.model_dump_json(exclude_none=True) for one in (request, response)]
Path("topics.jsonl").write_text("\n".join(lines))
