"""An app with one function, to try the construct.

cdk deploy --app "python3 app.py" -c layer=LAYER_ARN
CDK_OUTDIR=cdk.out python3 app.py     writes only the template
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from otlp2parquet import Telemetry

EXAMPLE = "arn:aws:lambda:eu-central-1:123456789012:layer:otlp2parquet-ext-arm64:1"

app = cdk.App()
stack = cdk.Stack(app, "telemetry-sample")
telemetry = Telemetry(stack, "Telemetry", layer_arn=app.node.try_get_context("layer") or EXAMPLE)
function = lambda_.Function(
    stack,
    "Function",
    runtime=lambda_.Runtime.PYTHON_3_13,
    architecture=lambda_.Architecture.ARM_64,
    handler="index.handler",
    code=lambda_.Code.from_inline('def handler(event, context):\n    print("hello")\n'),
    environment={"OWN": "stays"},
)
telemetry.attach(function)
app.synth()
