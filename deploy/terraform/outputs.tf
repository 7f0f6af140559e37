locals {
  made  = aws_cloudformation_stack.lake.outputs
  inbox = lookup(local.made, "InboxLocation", "")
}

output "layers" {
  value       = [var.layer_arn]
  description = "Add these to the layers of a function."
}

output "variables" {
  value = merge(
    {
      OTLP2PARQUET_DESTINATION = local.made["DataLocation"]
      OTLP2PARQUET_NAMESPACE   = var.namespace
      OTLP2PARQUET_COMMIT      = "inbox"
    },
    local.inbox == "" ? {} : { OTLP2PARQUET_INBOX = local.inbox },
  )
  description = "Add these to the variables of a function."
}

output "policy_arn" {
  value       = local.made["WriterPolicyArn"]
  description = "Attach this to the role of a function."
}

output "data_location" {
  value       = local.made["DataLocation"]
  description = "Address to query."
}

output "bucket_name" {
  value       = local.made["DataBucketName"]
  description = "The bucket of the files; with S3 Tables, of the inbox."
}
