#!/usr/bin/env bash
# Attaches the layer to existing functions, and removes it again (roll back).
#
#   deploy/aws-cli.sh attach --layer LAYER_ARN --policy POLICY_ARN --set OTLP2PARQUET_DESTINATION=s3://B/P FUNCTION...
#   deploy/aws-cli.sh attach --layer LAYER_ARN --set OTLP2PARQUET_DESTINATION=s3://B/P --tag telemetry=lake
#   deploy/aws-cli.sh detach --policy POLICY_ARN --tag telemetry=lake
#
# A function keeps its other layers and variables, in their order. (AWS's own command replaces both
# lists.) Attaching again updates the version of the layer and the named variables.
#
# FUNCTION...        names or ARNs
# --tag KEY=VALUE    all functions of the region with this tag, instead of names
# --layer ARN        the layer version; give one for each architecture that the functions have
# --set NAME=VALUE   a variable of the function; may be repeated
# --policy ARN       a managed policy for the functions' roles, such as WriterPolicyArn of the templates;
#                    detach removes it from the role; give it only if no other function of the role needs it
# --layer-name NAME  detach: begin of the layers' names (default: otlp2parquet-ext)
# --region, --profile  options of the AWS CLI
# --dry-run          print the changes, and change nothing
set -euo pipefail

action=${1:-} layers="" name=otlp2parquet-ext policy="" tag="" dry="" sets=() functions=()
aws=(aws) failed=0

fail() {
  echo "aws-cli.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --layer | --layer-name | --policy | --tag | --set | --region | --profile)
        [ -n "${2:-}" ] || fail "$1 needs a value; see --help"
        case $1 in
          --layer) layers+="$2 " ;;
          --layer-name) name=$2 ;;
          --policy) policy=$2 ;;
          --tag) tag=$2 ;;
          --set) sets+=("$2") ;;
          --region | --profile) aws+=("$1" "$2") ;;
        esac
        shift 2
        ;;
      --dry-run) dry=yes && shift ;;
      -h | --help) usage && exit 0 ;;
      -*) fail "unknown option '$1'; see --help" ;;
      *) functions+=("$1") && shift ;;
    esac
  done
}

check() {
  case $action in
    attach) [ -n "$layers" ] || fail "attach needs --layer; see --help" ;;
    detach) [ ${#sets[@]} -eq 0 ] || fail "detach sets nothing: it takes all OTLP2PARQUET_ variables" ;;
    -h | --help) usage && exit 0 ;;
    *) fail "attach or detach? see --help" ;;
  esac
  local one
  for one in ${sets[@]+"${sets[@]}"}; do
    [[ $one =~ ^[A-Za-z][A-Za-z0-9_]*= ]] || fail "--set $one: expected NAME=VALUE"
  done
  [ -z "$tag" ] || [[ $tag == ?*=* ]] || fail "--tag $tag: expected KEY=VALUE"
  [ -z "$tag" ] || [ ${#functions[@]} -eq 0 ] || fail "functions by name, or by --tag, not both"
  command -v aws >/dev/null || fail "the AWS CLI is not installed (pip install awscli)"
  command -v python3 >/dev/null || fail "python3 is needed, to merge JSON"
}

tagged() { # print the ARNs of all functions with the tag, one a line
  "${aws[@]}" resourcegroupstaggingapi get-resources --resource-type-filters lambda:function \
    --tag-filters "Key=${tag%%=*},Values=${tag#*=}" --output json \
    --query 'ResourceTagMappingList[].ResourceARN' |
    python3 -c 'import json, sys; print(*json.load(sys.stdin) or [], sep="\n")'
}

merged() { # merged CONFIGURATION: print the update's input as JSON; print nothing without a change
  ACTION=$action LAYERS=$layers LAYER_NAME=$name CONFIGURATION=$1 \
    python3 - ${sets[@]+"${sets[@]}"} <<'PYTHON'
import json, os, sys

had = json.loads(os.environ["CONFIGURATION"])
found, given = had.get("Environment") or {}, os.environ["LAYERS"].split()
if "Error" in found:  # a write would delete variables that cannot be read
    sys.exit(f"its variables cannot be read: {found['Error'].get('Message')}")
variables = found.get("Variables") or {}
layers = [one["Arn"] for one in had.get("Layers") or []]
# Ours: layers with our name, and other versions of the given layers.
versions = {arn.rsplit(":", 1)[0] for arn in given}
ours = [arn for arn in layers
        if arn.split(":")[6].startswith(os.environ["LAYER_NAME"]) or arn.rsplit(":", 1)[0] in versions]
arch = (had.get("Architectures") or ["x86_64"])[0]
other = {"x86_64": "-arm64", "arm64": "-x86_64"}[arch]
fitting = [arn for arn in given if not arn.split(":")[6].endswith(other)]
if os.environ["ACTION"] == "detach":
    wanted = [arn for arn in layers if arn not in ours]
    new = {k: v for k, v in variables.items() if not k.startswith("OTLP2PARQUET_")}
elif len(fitting) != 1:
    sys.exit(f"it is of {arch}: give one --layer for that")
else:
    place = layers.index(ours[0]) if ours else len(layers)
    wanted = [arn for arn in layers[:place] if arn not in ours] + fitting
    wanted += [arn for arn in layers[place:] if arn not in ours]
    new = variables | dict(one.split("=", 1) for one in sys.argv[1:])
if (wanted, new) != (layers, variables):
    update = {"FunctionName": had["FunctionArn"], "Layers": wanted, "Environment": {"Variables": new}}
    if "RevisionId" in had:  # with it AWS refuses if the function has changed in between
        update["RevisionId"] = had["RevisionId"]
    print(json.dumps(update))
PYTHON
}

update() { # update FUNCTION
  local had input
  had=$("${aws[@]}" lambda get-function-configuration --function-name "$1" --output json) || return
  input=$(merged "$had") || return
  if [ -z "$input" ]; then
    echo "$1: nothing to change"
  elif [ -n "$dry" ]; then
    echo "$1: would become $(shown <<<"$input")"
  else
    # Variables may be secrets, and other users can see arguments. Also, the CLI reads the input twice.
    printf '%s' "$input" >"$file" || return
    "${aws[@]}" lambda update-function-configuration --cli-input-json "file://$file" >/dev/null || return
    "${aws[@]}" lambda wait function-updated-v2 --function-name "$1" || return
    echo "$1: ${action}ed"
  fi
}

shown() { # print names only, because values may be secrets
  python3 -c 'import json, sys; it = json.load(sys.stdin)
print("layers", *it["Layers"], "variables", *it["Environment"]["Variables"])'
}

role_of() {
  "${aws[@]}" lambda get-function-configuration --function-name "$1" --query Role --output text
}

permit() { # permit FUNCTION: add the policy to its role, or remove it
  local role
  role=$(role_of "$1") || return
  local words=(iam "$action-role-policy" --role-name "${role##*/}" --policy-arn "$policy")
  if [ -n "$dry" ]; then
    echo "$1: would run ${words[*]}"
  elif [ "$action" = detach ] && ! has_policy "${role##*/}"; then
    return 0
  else
    "${aws[@]}" "${words[@]}"
  fi
}

has_policy() {
  "${aws[@]}" iam list-attached-role-policies --role-name "$1" --output text \
    --query 'AttachedPolicies[].PolicyArn' | tr '\t' '\n' | grep -qxF "$policy"
}

one() { # one FUNCTION: add the policy before the layer, and remove it after the layer
  if [ -n "$policy" ] && [ "$action" = attach ]; then permit "$1" || return; fi
  update "$1" || return
  if [ -n "$policy" ] && [ "$action" = detach ]; then permit "$1" || return; fi
}

file=$(mktemp) # only this user can read it
trap 'rm -f "$file"' EXIT
[ $# -gt 0 ] && shift
options "$@"
check
if [ -n "$tag" ]; then
  found=$(tagged) || fail "the functions with $tag could not be listed"
  while IFS= read -r line; do [ -z "$line" ] || functions+=("$line"); done <<<"$found"
fi
[ ${#functions[@]} -gt 0 ] || fail "no function is named, or has the tag"
for function in "${functions[@]}"; do
  one "$function" || { echo "$function: failed" >&2 && failed=1; }
done
exit $failed
