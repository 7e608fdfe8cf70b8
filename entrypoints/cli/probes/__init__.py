"""The probes of ``broadcast doctor``: each looks at one part, and changes nothing."""
