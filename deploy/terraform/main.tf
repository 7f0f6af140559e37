# A lake with its committer, and the outputs that functions need to write to it. The stack is
# deploy/committer.yaml, which has tests. The data stays when the stack is destroyed.
#
#   module "telemetry" {
#     source    = "./deploy/terraform"
#     layer_arn = "arn:aws:lambda:eu-central-1:123456789012:layer:otlp2parquet-ext-arm64:1"
#   }
#
#   resource "aws_lambda_function" "orders" {
#     layers = concat(local.own_layers, module.telemetry.layers)
#     environment {
#       variables = merge(local.own_variables, module.telemetry.variables)
#     }
#   }
#
#   resource "aws_iam_role_policy_attachment" "orders" {
#     role       = aws_iam_role.orders.name
#     policy_arn = module.telemetry.policy_arn
#   }

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

resource "aws_cloudformation_stack" "lake" {
  name          = var.name
  template_body = file("${path.module}/../committer.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = {
    LayerArn           = var.layer_arn
    Architecture       = var.architecture
    CatalogMode        = var.catalog_mode
    BucketName         = var.bucket_name
    CreateBucket       = var.create_bucket ? "yes" : "no"
    TableBucketArn     = var.table_bucket_arn
    Prefix             = var.prefix
    IcebergNamespace   = var.namespace
    WindowSeconds      = tostring(var.window_seconds)
    ScheduleExpression = var.schedule_expression
    LogRetentionDays   = tostring(var.log_retention_days)
    AlarmEmail         = var.alarm_email
  }
  tags = var.tags
}
