"""A version is tried before it is served: it answers its golden inputs and its warm-up requests.

Serves the engineer: an export that answers otherwise on this machine is not served, and
the first user does not wait for graphs to be optimised. TF Serving replays the same file.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from kaffect.errors import ArtifactError
from kaffect.serving.server import messages
from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.servable import Servable
from kaffect.serving.tf_serving import WARMUP

# TF Serving's own bound (warmup_consts.h).
_MOST_REQUESTS = 1000


def replay(servable: Servable, folder: Path) -> int:
    """Compute the warm-up requests in the export `folder`; give their number.

    Raises:
        ArtifactError: one of them is damaged or is not answered.
    """
    path = folder / WARMUP
    if not path.is_file():
        return 0
    limits = Limits()
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).take(_MOST_REQUESTS):
            log = messages.parse(prediction_log_pb2.PredictionLog, record.numpy())
            request = log.predict_log.request
            signature = servable.signature(request.model_spec.signature_name)
            signature.call(messages.read_inputs(request.inputs, signature, limits))
            count += 1
    except (RequestError, tf.errors.OpError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArtifactError(f"{path}: warm-up request {count + 1}: {reason[:300]}") from error
    return count
