package infra_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is a file of .github/workflows, as far as it is used.
type workflow struct {
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]job
}

type job struct {
	Uses, Container, Environment string
	Needs                        string
	If                           string
	Permissions                  map[string]string
	ContinueOnError              any `yaml:"continue-on-error"`
	TimeoutMinutes               int `yaml:"timeout-minutes"`
	Env                          map[string]string
	Steps                        []step
}

type step struct {
	Name, Uses, Run, If string
	With, Env           map[string]any
	ContinueOnError     any `yaml:"continue-on-error"`
}

const workflows = "../.github/workflows/"

func workflowOf(t *testing.T, name string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(text(t, workflows+name)), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCIRunsWhatIsRunHereAndNothingLess(t *testing.T) {
	ci := workflowOf(t, "ci.yml")
	for _, event := range []string{"push", "pull_request", "workflow_call"} {
		if _, on := ci.On[event]; !on {
			t.Errorf("does not run on %s", event)
		}
	}
	if len(ci.Jobs) != 1 || len(ci.Permissions) != 1 || ci.Permissions["contents"] != "read" {
		t.Errorf("%d jobs, permissions %v", len(ci.Jobs), ci.Permissions)
	}
	test := ci.Jobs["test"]
	last := test.Steps[len(test.Steps)-1]
	if last.Run != ".ci/run" || test.If != "" || test.ContinueOnError != nil || test.TimeoutMinutes < 30 {
		t.Errorf("job %+v", test)
	}
	for _, s := range test.Steps {
		if s.If != "" || s.ContinueOnError != nil {
			t.Errorf("%s%s may be left out or fail", s.Uses, s.Run)
		}
	}
}

func TestDeployingWaitsForCIAndKnowsNoSecret(t *testing.T) {
	deploy := workflowOf(t, "deploy.yml")
	if len(deploy.Jobs) != 2 || deploy.Jobs["ci"].Uses != "./.github/workflows/ci.yml" || deploy.Jobs["deploy"].Needs != "ci" || deploy.Jobs["deploy"].If != "" {
		t.Errorf("jobs %+v", deploy.Jobs)
	}
	job := deploy.Jobs["deploy"]
	if job.Permissions["id-token"] != "write" || job.Permissions["contents"] != "read" || len(job.Permissions) != 2 || len(deploy.Permissions) != 1 {
		t.Errorf("permissions %v, of the job %v", deploy.Permissions, job.Permissions)
	}
	if job.Environment == "" {
		t.Error("no environment: nobody has to approve")
	}
	raw := text(t, workflows+"deploy.yml")
	if m := regexp.MustCompile(`(?i)secrets[.\[]|client-secret|creds:|password`).FindString(raw); m != "" {
		t.Errorf("there is a secret: %s", m)
	}
	var login step
	var runs []string
	for _, s := range job.Steps {
		if strings.HasPrefix(s.Uses, "azure/login@") {
			login = s
		}
		if s.Run != "" {
			runs = append(runs, s.Run)
		}
	}
	for _, with := range []string{"client-id", "tenant-id", "subscription-id"} {
		variable := "AZURE_" + strings.ToUpper(strings.ReplaceAll(with, "-", "_"))
		if login.With[with] != "${{ vars."+variable+" }}" {
			t.Errorf("azure/login's %s is %v", with, login.With[with])
		}
	}
	all := strings.Join(runs, "\n")
	provision, deployed := strings.Index(all, "azd provision --no-prompt"), strings.Index(all, "azd deploy --no-prompt")
	if provision < 0 || deployed < provision {
		t.Errorf("does not provision and then deploy: %q", all)
	}
	// Makefile and hooks/package.sh take it.
	if got := job.Env["VERSION"]; got != "${{ github.ref_type == 'tag' && github.ref_name || 'dev' }}" {
		t.Errorf("the version is %s", got)
	}
	// main.parameters.json takes these and what the pattern of "Parameters" lets through.
	passed := regexp.MustCompile(`^(CALBRIDGE_.*|BUDGET_START)$`)
	if !strings.Contains(all, passed.String()) {
		t.Error("the parameters are passed by another pattern")
	}
	for _, name := range first(`\$\{([A-Z_]+)[=}]`, text(t, "main.parameters.json")) {
		if _, set := job.Env[name]; !set && !passed.MatchString(name) && name != "AZURE_PRINCIPAL_ID" { // azd finds out itself
			t.Errorf("the parameter %s is not passed", name)
		}
	}
}

// An action at a branch would be somebody else's code of tomorrow; Go's version has
// one place.
func TestActionsArePinnedAndGoIsThatOfTheModule(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40})$`)
	for _, name := range []string{"ci.yml", "deploy.yml"} {
		goes := 0
		for _, j := range workflowOf(t, name).Jobs {
			for _, s := range j.Steps {
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned", name, s.Uses)
				}
				if strings.HasPrefix(s.Uses, "actions/setup-go@") {
					goes++
					if len(s.With) != 1 || s.With["go-version-file"] != "go.mod" {
						t.Errorf("%s: Go by %v", name, s.With)
					}
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: the checkout leaves its token behind", name)
				}
			}
		}
		if goes != 1 {
			t.Errorf("%s: Go is set up %d times", name, goes)
		}
	}
}

// runCI runs .ci/run in a checkout of its own, where make and node only say so.
func runCI(t *testing.T, beside bool, node string) (said string, err error) {
	t.Helper()
	folder := t.TempDir()
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, path), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("main/.ci/run", text(t, "../.ci/run"))
	write("bin/make", "#!/bin/sh\necho make \"$@\"\n")
	write("bin/node", "#!/bin/sh\necho node \"$@\"\n"+node)
	if beside {
		write("shared/infra/check.mjs", "")
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "main/.ci/run"))
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "PATH="+filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestTheBicepCheckerRunsWhereItIsAndTheTestsAlways(t *testing.T) {
	said, err := runCI(t, true, "")
	if err != nil || !slices.Contains(strings.Split(said, "\n"), "node ../shared/infra/check.mjs infra") ||
		!regexp.MustCompile(`(?s)== bicep: \d+ s\n.*make test\n$`).MatchString(said) {
		t.Errorf("%v: %s", err, said)
	}
	said, err = runCI(t, false, "")
	if err != nil || !strings.Contains(said, "The Bicep files were not checked") || !strings.HasSuffix(said, "make test\n") || strings.Contains(said, "node") {
		t.Errorf("without the checker: %v: %s", err, said)
	}
	if said, err = runCI(t, true, "exit 1"); err == nil || strings.Contains(said, "make test") {
		t.Errorf("a finding is no failure: %v: %s", err, said)
	}
}
