package tables_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/state/statetest"
)

// TestTheAdapterKeepsTheContractOverAzurite holds the suite, and with it
// local/tables, against Microsoft's own emulator (servicebus.md section 9).
func TestTheAdapterKeepsTheContractOverAzurite(t *testing.T) {
	if testing.Short() {
		return // the thorough run has it
	}
	entry := os.Getenv("AZURITE")
	if entry == "" {
		t.Fatal("AZURITE does not name Azurite's table server: run the tests with `make test`, which installs it, or with -short, which leaves this test out")
	}
	connection := startAzurite(t, entry)
	statetest.Run(t, func(t *testing.T) state.Tables { return connect(t, connection, nil) })
	statetest.RunRows(t, func(t *testing.T) state.Tables { return connect(t, connection, nil) })
}

// startAzurite runs it in memory until the test ends. It cannot say which free
// port it took, so one is found first; another is tried if somebody was faster.
func startAzurite(t *testing.T, entry string) (connection string) {
	t.Helper()
	for range 3 {
		port := freePort(t)
		if runAzurite(t, entry, port) {
			endpoint := fmt.Sprintf("http://127.0.0.1:%d/%s", port, state.DevelopmentAccount)
			return "AccountName=" + state.DevelopmentAccount + ";AccountKey=" + state.DevelopmentKey + ";TableEndpoint=" + endpoint
		}
	}
	t.Fatal("Azurite did not start")
	return ""
}

// runAzurite returns when it says that it listens, or has ended.
func runAzurite(t *testing.T, entry string, port int) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", entry, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
		"--silent", "--tableHost", "127.0.0.1", "--tablePort", strconv.Itoa(port))
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting Azurite: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "successfully started") {
			return true
		}
	}
	return false
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
