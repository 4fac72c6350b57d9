// The instructions of an offload thread that must stand at known places or may not use a stack. No libc; see offload_worker.hpp.
    .text

// long weft_offload_clone(flags, stack_top, tls, tid, entry, arg): the new thread's id, -errno. The thread calls entry(arg).
    .globl weft_offload_clone
    .hidden weft_offload_clone
    .type weft_offload_clone, @function
weft_offload_clone:
    .cfi_startproc
    sub $16, %rsi
    mov %r8, (%rsi)
    mov %r9, 8(%rsi)
    mov %rdx, %r8
    mov %rcx, %rdx
    xor %r10d, %r10d
    mov $56, %eax
    syscall
    test %rax, %rax
    jz 1f
    ret
1:  .cfi_undefined rip
    xor %ebp, %ebp
    pop %rax
    pop %rdi
    call *%rax
    ud2
    .cfi_endproc
    .size weft_offload_clone, .-weft_offload_clone

// [[noreturn]] void weft_offload_exit(stack, bytes): gives the stack that it stands on back, and ends the thread.
    .globl weft_offload_exit
    .hidden weft_offload_exit
    .type weft_offload_exit, @function
weft_offload_exit:
    .cfi_startproc
    .cfi_undefined rip
    mov $11, %eax
    syscall
    xor %edi, %edi
    mov $60, %eax
    syscall
    ud2
    .cfi_endproc
    .size weft_offload_exit, .-weft_offload_exit

// long weft_offload_call(const long* nr_and_args, const uint32_t* cancel)
    .globl weft_offload_call, weft_offload_call_begin, weft_offload_call_end, weft_offload_call_left
    .hidden weft_offload_call, weft_offload_call_begin, weft_offload_call_end, weft_offload_call_left
    .type weft_offload_call, @function
weft_offload_call:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov %rsi, %rbx
    mov %rdi, %rax
    mov 8(%rax), %rdi
    mov 16(%rax), %rsi
    mov 24(%rax), %rdx
    mov 32(%rax), %r10
    mov 40(%rax), %r8
    mov 48(%rax), %r9
    mov (%rax), %rax
weft_offload_call_begin:
    cmpl $0, (%rbx)
    jne weft_offload_call_left
    syscall
weft_offload_call_end:
    pop %rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
weft_offload_call_left:
    .cfi_restore_state
    mov $-4, %rax
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .cfi_endproc
    .size weft_offload_call, .-weft_offload_call

// The signal return stub: exactly the bytes that unwinders know.
    .globl weft_offload_sigreturn
    .hidden weft_offload_sigreturn
    .type weft_offload_sigreturn, @function
    .balign 16
    nop
weft_offload_sigreturn:
    mov $15, %rax
    syscall
    .size weft_offload_sigreturn, .-weft_offload_sigreturn

    .section .note.GNU-stack, "", @progbits
