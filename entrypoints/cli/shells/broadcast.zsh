#compdef broadcast
# Completion of `broadcast` for zsh. Made by: broadcast completion zsh
_broadcast() {
    local line value help
    local -a found
    for line in "${(@f)$(env _BROADCAST_COMPLETE="${words[1,CURRENT]}" \
        "${words[1]}" 2>/dev/null)}"; do
        value="${line%%$'\t'*}" help="${line#*$'\t'}"
        [[ -z $value ]] && continue
        # _describe takes the first colon for the end of the value.
        [[ $line == *$'\t'* ]] && found+=("${value//:/\\:}:$help") || found+=("${value//:/\\:}")
    done
    if (( ! $#found )); then
        _files
        return
    fi
    compset -P '--*='
    _describe -V broadcast found
}
# Found in fpath, this file is the body of the function; from a script it is read once.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _broadcast "$@"
else
    compdef _broadcast broadcast
fi
