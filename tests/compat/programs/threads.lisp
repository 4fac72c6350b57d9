;;;; Threads of Steel Bank Common Lisp, whose garbage collector stops the others by signals.
(use-package :sb-thread)
(defun work (n) (let ((s 0)) (dotimes (i 300000 s) (setf s (logxor (* n i) (ash s -1))))))
(print (mapcar #'join-thread (loop for i below 8 collect (let ((i i)) (make-thread (lambda () (work i)))))))

(let ((lock (make-mutex)) (sum 0))
  (mapc #'join-thread
        (loop repeat 8 collect (make-thread (lambda () (dotimes (i 2000) (with-mutex (lock) (incf sum)))))))
  (print sum))

;; Garbage from all sides, and collections in between.
(print (reduce #'+ (mapcar #'join-thread
                           (loop repeat 6 collect
                             (make-thread (lambda () (let ((n 0))
                                                       (dotimes (i 300 n) (incf n (length (make-array 1000)))
                                                         (when (zerop (mod i 100)) (gc))))))))))

(let ((lock (make-mutex)) (filled (make-waitqueue)) (items '()) (taken 0))
  (let ((takers (loop repeat 4 collect
                  (make-thread (lambda ()
                                 (loop repeat 50 do
                                   (with-mutex (lock)
                                     (loop until items do (condition-wait filled lock))
                                     (incf taken (pop items)))))))))
    (dotimes (i 200) (with-mutex (lock) (push i items) (condition-notify filled)))
    (mapc #'join-thread takers)
    (print taken)))

(let* ((begun (make-semaphore))
       (sleeper (make-thread (lambda ()
                               (catch 'woken (signal-semaphore begun) (loop (sleep 100)))))))
  (wait-on-semaphore begun)
  (interrupt-thread sleeper (lambda () (throw 'woken :interrupted)))
  (print (join-thread sleeper)))

(print (join-thread (make-thread (lambda () (handler-case (labels ((deep (n) (+ 1 (deep (1+ n))))) (deep 0))
                                          (storage-condition () :too-deep))))))
(terpri)
