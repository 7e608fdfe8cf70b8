# Completion of `broadcast` for fish. Made by: broadcast completion fish
function __broadcast_complete
    set -l words (commandline -opc)
    set -l found (env _BROADCAST_COMPLETE=(commandline -cp | string collect) $words[1] 2>/dev/null)
    set -l current (commandline -ct)
    # Of --option=value fish replaces the whole.
    set -l before (string match -r -- '^--[^=]+=' $current; or echo)
    if test (count $found) -eq 0
        __fish_complete_path (string replace -- "$before" "" "$current") | string replace -r -- '^' "$before"
        return
    end
    for line in $found
        echo -- $before$line
    end
end
complete --command broadcast --no-files --keep-order --arguments '(__broadcast_complete)'
