#!/usr/bin/env bash
# Attaches the layer to functions that are there already, and takes it off again (roll back).
#
#   deploy/aws-cli.sh attach --layer LAYER_ARN --policy POLICY_ARN --set OTLP2PARQUET_DESTINATION=s3://B/P FUNCTION...
#   deploy/aws-cli.sh attach --layer LAYER_ARN --set OTLP2PARQUET_DESTINATION=s3://B/P --tag telemetry=lake
#   deploy/aws-cli.sh detach --policy POLICY_ARN --tag telemetry=lake
#
# What else a function has stays: its other layers and variables, in their order. AWS's own command
# replaces both lists. Attaching again updates the layer's version and the variables named.
#
# FUNCTION...        names or ARNs
# --tag KEY=VALUE    every function of the region with that tag, instead of names
# --layer ARN        the layer version, of the functions' region and architecture
# --set NAME=VALUE   a variable; may be repeated
# --policy ARN       a managed policy for the functions' roles, such as WriterPolicyArn of the templates;
#                    detach takes it off; give it only if no other function of the role needs it
# --layer-name NAME  detach: the layers' name (default: otlp2parquet-ext and what begins with it)
# --region, --profile  as the AWS CLI has them
# --dry-run          say what would be done, and change nothing
set -euo pipefail

action=${1:-} layer="" name=otlp2parquet-ext policy="" tag="" dry="" sets=() functions=()
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
          --layer) layer=$2 ;;
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
    attach) [ -n "$layer" ] || fail "attach needs --layer; see --help" ;;
    detach) ;;
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

tagged() { # the ARNs of all functions with the tag, one a line
  "${aws[@]}" resourcegroupstaggingapi get-resources --resource-type-filters lambda:function \
    --tag-filters "Key=${tag%%=*},Values=${tag#*=}" --output json \
    --query 'ResourceTagMappingList[].ResourceARN' |
    python3 -c 'import json, sys; print(*json.load(sys.stdin) or [], sep="\n")'
}

merged() { # merged CONFIGURATION: the update's input as JSON; nothing if there is nothing to change
  ACTION=$action LAYER=$layer LAYER_NAME=$name python3 - "$1" ${sets[@]+"${sets[@]}"} <<'PYTHON'
import json, os, sys

had, layer = json.loads(sys.argv[1]), os.environ["LAYER"]
layers = [one["Arn"] for one in had.get("Layers") or []]
variables = dict((had.get("Environment") or {}).get("Variables") or {})
# Ours: what begins with the name, and another version of the very layer that is given.
ours = [a for a in layers if a.split(":")[6].startswith(os.environ["LAYER_NAME"])
        or (layer and a.rsplit(":", 1)[0] == layer.rsplit(":", 1)[0])]
if os.environ["ACTION"] == "attach":
    place = layers.index(ours[0]) if ours else len(layers)
    wanted = [a for a in layers[:place] if a not in ours] + [layer]
    wanted += [a for a in layers[place:] if a not in ours]
    new = variables | dict(one.split("=", 1) for one in sys.argv[2:])
    kept = {}
else:
    wanted = [a for a in layers if a not in ours]
    new = {k: v for k, v in variables.items() if not k.startswith("OTLP2PARQUET_")}
    kept = dict(one.split("=", 1) for one in sys.argv[2:])
new |= kept
if (wanted, new) != (layers, variables):
    # The revision says whether somebody else changed the function since we looked.
    print(json.dumps({"FunctionName": had["FunctionArn"], "RevisionId": had["RevisionId"],
                      "Layers": wanted, "Environment": {"Variables": new}}))
PYTHON
}

update() { # update FUNCTION
  local had input
  had=$("${aws[@]}" lambda get-function-configuration --function-name "$1" --output json) || return
  input=$(merged "$had") || return
  if [ -z "$input" ]; then
    echo "$1: nothing to change"
  elif [ -n "$dry" ]; then
    echo "$1: would become $(shown "$input")"
  else
    "${aws[@]}" lambda update-function-configuration --cli-input-json "$input" >/dev/null || return
    "${aws[@]}" lambda wait function-updated-v2 --function-name "$1" || return
    echo "$1: ${action}ed"
  fi
}

shown() { # without values: they may be secrets
  python3 -c 'import json, sys; it = json.loads(sys.argv[1])
print("layers", *it["Layers"], "variables", *it["Environment"]["Variables"])' "$1"
}

role_of() {
  "${aws[@]}" lambda get-function-configuration --function-name "$1" --query Role --output text
}

permit() { # permit FUNCTION: its role may write, or no longer
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

one() { # one FUNCTION: the permission is there before the layer, and goes after it
  if [ -n "$policy" ] && [ "$action" = attach ]; then permit "$1" || return; fi
  update "$1" || return
  if [ -n "$policy" ] && [ "$action" = detach ]; then permit "$1" || return; fi
}

[ $# -gt 0 ] && shift
options "$@"
check
if [ -n "$tag" ]; then
  found=$(tagged) || fail "the functions with $tag could not be listed"
  while IFS= read -r line; do [ -z "$line" ] || functions+=("$line"); done <<<"$found"
fi
[ ${#functions[@]} -gt 0 ] || fail "no function is named, or has the tag"
for function in "${functions[@]}"; do
  one "$function" || { echo "$function: failed, and was left as it is" >&2 && failed=1; }
done
exit $failed
