#!/usr/bin/env bash
# Publishes the layer, both architectures, to any number of regions; builds it first if needed.
#
#   ./publish_layer.sh --regions eu-central-1,us-east-1
#
# --regions A,B      where to; the AWS CLI's own region without it
# --arch A           x86_64 or arm64; both without it
# --name NAME        layer name; the architecture is appended (default: otlp2parquet-ext)
# --profile NAME     profile of the AWS CLI
# --s3-bucket NAME   upload through a bucket of the region, needed for zips over 50 MB;
#                    "{region}" in the name stands for the region
# --public           let every AWS account use the layer versions
# --dry-run          say what would be done, and do nothing
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dist=${OTLP2PARQUET_DIST:-$here/dist}
limit=$((50 * 1048576)) # of a direct upload, https://docs.aws.amazon.com/lambda "Quotas"
regions="" arches="x86_64 arm64" name=otlp2parquet-ext bucket="" public="" dry=""
aws=(aws)

fail() {
  echo "publish_layer.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

while [ $# -gt 0 ]; do
  case $1 in
    --regions | --arch | --name | --profile | --s3-bucket)
      [ -n "${2:-}" ] || fail "$1 needs a value; see --help"
      case $1 in
        --regions) regions=$2 ;;
        --arch) arches=$2 ;;
        --name) name=$2 ;;
        --profile) aws+=(--profile "$2") ;;
        --s3-bucket) bucket=$2 ;;
      esac
      shift 2
      ;;
    --public) public=yes && shift ;;
    --dry-run) dry=yes && shift ;;
    -h | --help) usage && exit 0 ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
done

run() { # run COMMAND...: or, in a dry run, say it
  if [ -n "$dry" ]; then
    printf '%q ' "$@" >&2
    echo >&2
  else
    "$@"
  fi
}

zip_of() {
  echo "$dist/otlp2parquet-ext-$1.zip"
}

check_arches() {
  for arch in $arches; do
    case $arch in
      x86_64 | arm64) ;;
      *) fail "--arch $arch: expected x86_64 or arm64" ;;
    esac
  done
}

build() {
  for arch in $arches; do
    [ -f "$(zip_of "$arch")" ] && continue
    make -C "$here" layer >&2 || fail "the build failed; nothing was published"
    return
  done
}

check_sizes() {
  for arch in $arches; do
    local zip size
    zip=$(zip_of "$arch")
    size=$(wc -c <"$zip")
    [ "$size" -le $limit ] || [ -n "$bucket" ] ||
      fail "$zip has $size bytes, a direct upload may have $limit: give --s3-bucket"
  done
}

check_aws() {
  [ -z "$dry" ] || return 0
  command -v aws >/dev/null || fail "the AWS CLI is not installed (pip install awscli)"
  [ -n "$regions" ] || regions=$("${aws[@]}" configure get region || true)
  [ -n "$regions" ] || regions=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
  [ -n "$regions" ] || fail "no region: give --regions"
  local said
  said=$("${aws[@]}" sts get-caller-identity --region "${regions%%,*}" 2>&1 >/dev/null) ||
    fail "no usable credentials: ${said##*$'\n'}"
}

content_of() { # content_of REGION ARCH: how the zip reaches Lambda
  local zip
  zip=$(zip_of "$2")
  if [ -z "$bucket" ]; then
    echo "--zip-file fileb://$zip"
    return
  fi
  local target=${bucket//\{region\}/$1} key
  key="otlp2parquet-ext/$version/$(basename "$zip")"
  run "${aws[@]}" s3 cp --only-show-errors --region "$1" "$zip" "s3://$target/$key" >&2 ||
    fail "$1: the upload to s3://$target/$key was refused"
  echo "--content S3Bucket=$target,S3Key=$key"
}

publish() { # publish REGION ARCH: prints the ARN
  local content arn
  content=$(content_of "$1" "$2")
  arn=$(run "${aws[@]}" lambda publish-layer-version --region "$1" \
    --layer-name "$name-$2" --compatible-architectures "$2" --license-info Apache-2.0 \
    --description "otlp2parquet_ext $version: telemetry to Parquet and Iceberg" \
    "${content%% *}" "${content#* }" --query LayerVersionArn --output text) ||
    fail "$1 refused $name-$2; is it a region, enabled, and lambda:PublishLayerVersion allowed?"
  [ -n "$public" ] && allow_everybody "$1" "$2" "${arn##*:}"
  echo "${arn:-arn:aws:lambda:$1:ACCOUNT:layer:$name-$2:VERSION}"
}

allow_everybody() { # allow_everybody REGION ARCH VERSION
  run "${aws[@]}" lambda add-layer-version-permission --region "$1" --layer-name "$name-$2" \
    --version-number "${3:-VERSION}" --statement-id public --principal '*' \
    --action lambda:GetLayerVersion >/dev/null ||
    fail "$1: $name-$2 version $3 is published, but could not be made public"
}

check_arches
build
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$here/otlp2parquet_ext/__init__.py")
check_sizes
check_aws
[ -n "$regions" ] || regions=REGION

for region in ${regions//,/ }; do
  for arch in $arches; do
    arn=$(publish "$region" "$arch")
    echo "$arn"
    echo "  aws lambda update-function-configuration --region $region --function-name FUNCTION --layers $arn"
  done
done
echo "--layers replaces the function's list: name the layers it has as well."
