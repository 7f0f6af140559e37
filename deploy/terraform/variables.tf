variable "layer_arn" {
  type        = string
  description = "The layer version, as publish_layer.sh prints it, for functions and committer."
}

variable "name" {
  type        = string
  default     = "telemetry-lake"
  description = "Name of the stack, and of the committer."
}

variable "architecture" {
  type        = string
  default     = "arm64"
  description = "Of the committer: arm64 or x86_64, as the layer."
}

variable "catalog_mode" {
  type        = string
  default     = "glue"
  description = "glue: Iceberg tables in AWS Glue; iceberg: S3 Tables."
}

variable "bucket_name" {
  type        = string
  default     = ""
  description = "Name of the bucket. Empty: one is made up."
}

variable "create_bucket" {
  type        = bool
  default     = true
  description = "Whether the bucket is made; else bucket_name is there, and tells EventBridge of its objects."
}

variable "table_bucket_arn" {
  type        = string
  default     = ""
  description = "With catalog_mode iceberg: a table bucket that is there. Empty: one is made."
}

variable "prefix" {
  type        = string
  default     = "lake"
  description = "Folder of the files in the bucket."
}

variable "namespace" {
  type        = string
  default     = "otel"
  description = "Namespace of the tables; with Glue, the database."
}

variable "window_seconds" {
  type        = number
  default     = 60
  description = "How long events are gathered; about how late rows are."
}

variable "schedule_expression" {
  type        = string
  default     = "rate(1 hour)"
  description = "When the committer looks besides, for what no event told of."
}

variable "log_retention_days" {
  type        = number
  default     = 7
  description = "Days CloudWatch Logs keeps the committer's log."
}

variable "alarm_email" {
  type        = string
  default     = ""
  description = "Who is told of alarms. Empty: nobody."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of all resources."
}
