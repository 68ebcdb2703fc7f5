#!/bin/sh
# The pip of a Python environment made for scripts: the same commands, answered by uv.
uv=@UV@
python=${0%/*}/python
shared=@SHARED@
cache=@CACHE@

[ -x "$uv" ] || uv=uv
: "${UV_CACHE_DIR:=$cache}"
: "${UV_SYSTEM_CERTS:=1}"
export UV_CACHE_DIR UV_SYSTEM_CERTS UV_NO_PROGRESS=1

# uv's own names for what pip reads from variables.
[ -z "$PIP_INDEX_URL" ] || [ -n "$UV_DEFAULT_INDEX$UV_INDEX_URL" ] || export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
[ -z "$PIP_EXTRA_INDEX_URL" ] || [ -n "$UV_INDEX$UV_EXTRA_INDEX_URL" ] || export UV_INDEX="$PIP_EXTRA_INDEX_URL"
[ -z "$PIP_TRUSTED_HOST" ] || [ -n "$UV_INSECURE_HOST" ] || export UV_INSECURE_HOST="$PIP_TRUSTED_HOST"
[ -z "$PIP_CONSTRAINT" ] || [ -n "$UV_CONSTRAINT" ] || export UV_CONSTRAINT="$PIP_CONSTRAINT"
[ -z "$PIP_DEFAULT_TIMEOUT" ] || [ -n "$UV_HTTP_TIMEOUT" ] || export UV_HTTP_TIMEOUT="$PIP_DEFAULT_TIMEOUT"
[ -z "$PIP_CERT" ] || [ -n "$SSL_CERT_FILE" ] || export SSL_CERT_FILE="$PIP_CERT"
if [ -n "$PIP_FIND_LINKS" ] && [ -z "$UV_FIND_LINKS" ]; then
  for place in $PIP_FIND_LINKS; do
    # pip only warns of a folder that isn't there.
    case $place in *://*) ;; *) [ -e "$place" ] || continue ;; esac
    UV_FIND_LINKS="${UV_FIND_LINKS:+$UV_FIND_LINKS,}$place"
  done
  export UV_FIND_LINKS
fi

# The command, and its arguments without what uv doesn't take and what changes nothing here.
command=
elsewhere=
named=
left=$#
while [ "$left" -gt 0 ]; do
  word=$1
  shift
  left=$((left - 1))
  case $word in
    --root-user-action | --upgrade-strategy | --progress-bar | --exists-action | --retries | --log | --use-feature | \
      --use-deprecated | --src)
      [ "$left" -eq 0 ] || { shift; left=$((left - 1)); }
      continue ;;
    --timeout | --default-timeout)
      export UV_HTTP_TIMEOUT="$1"
      [ "$left" -eq 0 ] || { shift; left=$((left - 1)); }
      continue ;;
    --proxy)
      export ALL_PROXY="$1"
      [ "$left" -eq 0 ] || { shift; left=$((left - 1)); }
      continue ;;
    --timeout=* | --default-timeout=*) export UV_HTTP_TIMEOUT="${word#*=}"; continue ;;
    --proxy=*) export ALL_PROXY="${word#*=}"; continue ;;
    --root-user-action=* | --upgrade-strategy=* | --progress-bar=* | --exists-action=* | --retries=* | --log=* | \
      --use-feature=* | --use-deprecated=* | --src=*) continue ;;
    --user | --no-cache-dir | --disable-pip-version-check | --no-python-version-warning | --no-input | \
      --prefer-binary | --no-warn-script-location | --no-warn-conflicts | --use-pep517 | --require-virtualenv | \
      --isolated | --debug | --no-clean | --yes | -y | --verbose | -v | -vv | -vvv) continue ;;
    -I | --ignore-installed) word=--reinstall ;;
    -t | --target | --target=* | --prefix | --prefix=*) elsewhere=1 ;;
    -V | --version) [ -n "$command" ] || command=version ;;
    -*) ;;
    *)
      if [ -z "$command" ]; then
        command=$word
        continue
      fi
      case $word in
        # It is this program, and no package of its name may take its place.
        pip | pip[=\<\>~!]*) named=1; continue ;;
      esac ;;
  esac
  set -- "$@" "$word"
done

line='
'

said() {
  # uv speaks on standard error; what isn't an error is no error in the log either.
  if text=$("$uv" pip "$@" 2>&1); then
    case $text in "Using Python"*"$line"*) text=${text#*"$line"} ;; "Using Python"*) text= ;; esac
    [ -z "$text" ] || printf '%s\n' "$text"
  else
    code=$?
    printf '%s\n' "$text" >&2
    exit "$code"
  fi
}

case $command in
  version) exec "$python" -c 'import pip, sys; print(f"pip {pip.__version__} from {pip.__path__[0]} (python {sys.version_info[0]}.{sys.version_info[1]})")' ;;
  install | uninstall)
    if [ "$shared" = yes ] && [ -z "$elsewhere" ]; then
      echo "pip: this environment is shared by all tasks that name no packages; put 'pip $command' into beforeCommands or the packages into dependencies" >&2
      exit 1
    fi
    if [ -n "$named" ]; then
      # A word that names a package must be left, else there is nothing to do.
      for word in "$@"; do
        case $word in -r* | --requirement* | -e* | --editable*) named= ;; -*) ;; *) named= ;; esac
      done
      [ -z "$named" ] || { echo "pip is up to date: uv answers for it"; exit 0; }
    fi
    case $command$PIP_NO_INDEX in install | install0 | installfalse | uninstall*) ;; *) set -- --no-index "$@" ;; esac
    said "$command" --python "$python" "$@" ;;
  list | freeze | tree) exec "$uv" pip "$command" --quiet --python "$python" "$@" ;;
  show | check) said "$command" --python "$python" "$@" ;;
  cache) echo "The cache is uv's and shared; nothing is done" ;;
  '') exec "$uv" pip --help ;;
  *) exec "$uv" run --quiet --no-project --python "$python" --with pip python -m pip "$command" "$@" ;;
esac
