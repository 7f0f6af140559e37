variable "layer_arn" {
  type        = string
  description = "ARN of the layer version, as publish_layer.sh prints it, for functions and committer."
}

variable "name" {
  type        = string
  default     = "telemetry-lake"
  description = "Name of the stack, and of the committer."
}

variable "architecture" {
  type        = string
  default     = "arm64"
  description = "Architecture of the committer: arm64 or x86_64, as the layer's."
}

variable "catalog_mode" {
  type        = string
  default     = "glue"
  description = "glue: Iceberg tables in AWS Glue; iceberg: S3 Tables."
}

variable "bucket_name" {
  type        = string
  default     = ""
  description = "Name of the bucket. Empty: CloudFormation generates one."
}

variable "create_bucket" {
  type        = bool
  default     = true
  description = "Whether the stack creates the bucket. If not, bucket_name exists already and sends its events to EventBridge."
}

variable "table_bucket_arn" {
  type        = string
  default     = ""
  description = "With catalog_mode iceberg: ARN of a table bucket that exists already. Empty: the stack creates one."
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
  description = "Seconds for which events are gathered. A longer window makes rows later and snapshots fewer."
}

variable "schedule_expression" {
  type        = string
  default     = "rate(1 hour)"
  description = "When the committer also runs without an event, to find files whose event got lost."
}

variable "log_retention_days" {
  type        = number
  default     = 7
  description = "Days for which CloudWatch Logs keeps the committer's log."
}

variable "alarm_email" {
  type        = string
  default     = ""
  description = "Address that gets the alarms. Empty: no mail is sent."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of all resources."
}
