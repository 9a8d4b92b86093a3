// Command cert-manager runs cert-manager's own controllers for certificates that an authority of the cluster signs.
//
// The project's program for all controllers lies in a nested module that module proxies do not serve with this one.
// Which controllers there are is decided by the imports: no ACME, no Vault, no Venafi, no Ingress, no webhook. It looks
// after one namespace and keeps no lease: two of it at once would only disturb each other, so run one.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	"github.com/cert-manager/cert-manager/pkg/util"
)

const workers = 2 // of each controller; a door has one certificate

func main() {
	var options controller.ContextOptions
	flag.StringVar(&options.Namespace, "namespace", "", "the one namespace whose certificates are looked after")
	flag.StringVar(&options.Kubeconfig, "kubeconfig", "", "how to reach the cluster; without it, as this pod's account")
	metrics := flag.String("metrics", ":9402", "where /metrics answers, once everything is read")
	version := flag.Bool("version", false, "say what this is, and end")
	klog.InitFlags(nil)
	flag.Parse()
	if *version {
		names := slices.Sorted(maps.Keys(controller.Known()))
		fmt.Printf("dcshift's cert-manager %s: %s\n", util.AppVersion, strings.Join(names, ", "))
		return
	}
	if options.Namespace == "" {
		fmt.Fprintln(os.Stderr, "-namespace is missing: this program looks after one namespace")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, options, *metrics); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run returns when the context ends, or with the error of the first controller that cannot go on.
func run(ctx context.Context, options controller.ContextOptions, metricsAddress string) error {
	// The project's own defaults, which live in its program.
	options.KubernetesAPIQPS, options.KubernetesAPIBurst = 20, 50
	options.CertificateRequestMinimumBackoffDuration = time.Hour
	options.CertificateRequestMaximumBackoffDuration = 32 * time.Hour
	factory, err := controller.NewContextFactory(ctx, options)
	if err != nil {
		return err
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	shared.Metrics.SetupCertificateCollector(shared.SharedInformerFactory.Certmanager().V1().Certificates().Lister())
	group, ctx := errgroup.WithContext(ctx)
	for name, construct := range controller.Known() {
		made, err := construct(factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		group.Go(func() error { return made.Run(workers, ctx) })
	}
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.SharedInformerFactory.Start(ctx.Done())
	group.Go(func() error {
		shared.KubeSharedInformerFactory.WaitForCacheSync(ctx.Done())
		shared.SharedInformerFactory.WaitForCacheSync(ctx.Done())
		// An answer on this address is what readiness asks for, so nobody listens before the caches are full.
		return serve(ctx, metricsAddress, shared.Metrics.NewServer)
	})
	return group.Wait()
}

func serve(ctx context.Context, address string, server func(net.Listener) *http.Server) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	served := server(listener)
	context.AfterFunc(ctx, func() { _ = served.Close() })
	if err := served.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
