package portal

import (
	"strings"
	"testing"
)

// issue 5, Speed: a page takes under 20 ms of handler time, tables in memory.
func BenchmarkAppsPage(b *testing.B) {
	s := connectable(b, planner)
	p, apps := s.veras()
	for _, who := range []string{objectVera, objectBob, objectMallory} {
		p.press(p.returns(p.leaveWith(apps, "up:readwrite"), s.account(contoso, who, "vera@acme.example")), "Yes, connect it", "answer", "yes")
	}
	for b.Loop() {
		if a := p.do("GET", apps.path, "", nil); a.Status != 200 {
			b.Fatal(a.Status)
		}
	}
}

func BenchmarkConnectStart(b *testing.B) {
	s := connectable(b, planner)
	p, apps := s.veras()
	to := "/api/connect/start?grant=" + strings.TrimPrefix(apps.path, "/api/portal/apps/")
	for b.Loop() {
		if a := p.do("GET", to, "", nil); a.Status != 200 {
			b.Fatal(a.Status)
		}
	}
}
