# azd on Windows: the other hooks are POSIX shell, and a package made on Windows has no
# execute bit on the handler (functions/contract.md 1.8).
Write-Error 'Run azd in WSL (Windows Subsystem for Linux): Calbridge is packaged and provisioned by POSIX shell scripts.'
exit 1
