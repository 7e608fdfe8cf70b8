# Completion of `broadcast` for bash. Made by: broadcast completion bash
_broadcast() {
    local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}" value
    # Bash completes what follows the last of its word breaks, which = and @ are among.
    [[ $current == [=@] ]] && current=""
    local word="${line##*[[:space:]]}"
    local before="${word%"$current"}"
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        [[ -n $value ]] && COMPREPLY+=("${value#"$before"}")
    done < <(env _BROADCAST_COMPLETE="$line" "$1" 2>/dev/null)
}
# Older than 4.4, as on macOS, bash sorts: it knows no nosort.
complete -o default -o nosort -F _broadcast broadcast 2>/dev/null ||
    complete -o default -F _broadcast broadcast
