// The server: it counts visits, sends and receives messages, and shows how many there were.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// patience is how long one visitor waits for the count.
const patience = 10 * time.Second

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	opened, err := openMessages()
	if err != nil {
		log.Fatal(err)
	}
	site := site{opened}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	mux.HandleFunc("/messages", site.send)
	mux.HandleFunc("/", site.home)
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	stop, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer forget()
	go func() {
		log.Printf("listening on %s", port)
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	<-stop.Done()
	// A deploy lets open requests finish.
	server.Shutdown(context.Background())
	opened.close()
}

type site struct{ messages *messages }

func (s site) home(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	visits, err := countVisit(ctx)
	if err != nil {
		log.Printf("counting: %v", err)
		http.Error(w, "The visit could not be counted.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("content-type", "text/html; charset=utf-8")
	if err := render(w, shown{visits, store, s.messages.received(), broker}); err != nil {
		log.Printf("rendering: %v", err)
	}
}

func (s site) send(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("allow", http.MethodPost)
		http.Error(w, "Send a message by POST.", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := s.messages.publish(ctx, "Hello"); err != nil {
		log.Printf("sending: %v", err)
		http.Error(w, "The message could not be sent.", http.StatusInternalServerError)
		return
	}
	// The page is asked for anew, so that loading it again sends nothing.
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
